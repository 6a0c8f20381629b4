"""The id of a request is on every log line that comes of it, also on those of the supervisor it asked."""

from collections.abc import Iterator
from typing import cast

import pytest
import structlog
from structlog.testing import LogCapture

from openwa_manager.domain.session.session import Status
from tests.api.world import World


@pytest.fixture
def log() -> Iterator[LogCapture]:
    """Collect the log's lines as they are once they carry their context."""
    former, capture = structlog.get_config(), LogCapture()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, capture])
    yield capture
    structlog.configure(**former)


def ids_of(log: LogCapture, *, previous: str, status: str) -> list[str | None]:
    """Return the request ids on the lines that tell of this change of a session."""
    changed = [each for each in log.entries if each["event"] == "session_changed"]
    found = [each for each in changed if (each["previous"], each["status"]) == (previous, status)]
    return [cast("str | None", each.get("request_id")) for each in found]


async def test_a_request_id_is_on_the_supervisors_line(world: World, log: LogCapture) -> None:
    await world.create(session_id="a", desired="stopped")

    await world.call("POST", "/v1/sessions/a/start", headers={"X-Request-ID": "given-by-the-caller"})

    assert ids_of(log, previous="stopped", status="creating") == ["given-by-the-caller"]


async def test_what_an_engine_does_later_carries_no_request_id_of_its_session(world: World, log: LogCapture) -> None:
    body = {"session_id": "a", "timeout_s": 20}

    await world.call("POST", "/v1/sessions", body, headers={"X-Request-ID": "given-by-the-caller"})
    await world.sessions.wait("a", lambda session: session.status is Status.QR_READY, 20)

    assert ids_of(log, previous="stopped", status="creating") == ["given-by-the-caller"]
    assert ids_of(log, previous="creating", status="creating") == [None]  # its process has come up
