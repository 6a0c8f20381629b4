"""What a live engine's environment tells of its launch."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from openwa_manager.domain.ports import FoundEngine
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import LaunchId, SessionId
from openwa_manager.services.starting.launching import key_of, launch_of
from tests.domain.session.driver import AT, an_identity

LAUNCH_ID = LaunchId("0123456789abcdef0123456789abcdef")


def found(environment: Mapping[str, str]) -> FoundEngine:
    return FoundEngine(
        session_id=SessionId("acme"),
        launch_id=LAUNCH_ID,
        identity=an_identity(),
        environment=environment,
        arguments=("node", "dist/main"),
    )


def test_it_tells_where_it_listens_and_by_which_secrets_it_is_spoken_to() -> None:
    socket = "/home/other/run/e/0123456789abcdef/s"
    engine = found(
        {
            "OPENWA_MANAGER_SOCKET": socket,
            "OPENWA_MANAGER_SECRET": "its secret",
            "API_MASTER_KEY": "its key",
            "PORT": "28101",
        }
    )

    launch = launch_of(engine, 3, AT)

    assert (launch.socket, launch.port, launch.secret) == (Path(socket), 28101, "its secret")
    assert (launch.number, launch.cause, launch.identity) == (3, ReasonCode.ADOPTED, an_identity())
    assert key_of(engine) == "its key"


def test_an_engine_of_an_earlier_version_has_a_port_and_gets_a_new_secret() -> None:
    launch = launch_of(found({"PORT": "28101"}), 1, AT)

    assert (launch.socket, launch.listening_port) == (None, 28101)
    assert len(launch.secret) >= 32
    assert key_of(found({})) is None


@pytest.mark.parametrize("socket", ["/home/run/e/aaaaaaaaaaaaaaaa/s", "s", "e/0123456789abcdef/s", ""])
def test_it_cannot_name_the_socket_of_another_launch(socket: str) -> None:
    assert launch_of(found({"OPENWA_MANAGER_SOCKET": socket}), 1, AT).socket is None


@pytest.mark.parametrize("port", ["", "x", "-1", "²", "1" * 5000])
def test_what_is_no_port_is_none(port: str) -> None:
    assert launch_of(found({"PORT": port}), 1, AT).port == 0
