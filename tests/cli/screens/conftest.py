import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.cli.screens.window import SMALL, Size, Window, opened
from tests.e2e.peers.daemon import SCANNED, Daemon, eventually
from tests.e2e.peers.upstream import Upstream
from tests.fakes.ports import free_ports

#: As long as the guide's ids: `user_<id>_session_<uuid>`.
CONNECTED = tuple(f"user_{user}_session_550e8400-e29b-41d4-a716-44665544000{user}" for user in (1, 2))
UNSCANNED, STOPPED = "user_3_session_unscanned", "user_4_session_stopped"
RECIPIENT = "+85212345678"

Open = Callable[..., AbstractContextManager[Window]]
Look = Callable[..., Window]


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    """Run a daemon in whose home is something for every command to show."""
    with tempfile.TemporaryDirectory(prefix="cli", dir="/tmp") as place, Upstream(free_ports(1)[0]) as upstream:
        settings = {**upstream.settings, "PUBLIC_URL": "https://wa.example.com", "QR_FIRST_S": "600"}
        with Daemon(home=Path(place, "home"), settings={**settings, "PAIRING_WINDOW_S": "900"}) as running:
            for session_id in CONNECTED:
                running.create(session_id, labels={"shop": "hk"}, env=dict(SCANNED), wait_for="connected")
            running.create(UNSCANNED, wait_for="qr")
            running.create(STOPPED, desired="stopped")
            _send(running)
            yield running


def _send(daemon: Daemon) -> None:
    """Send a message and a batch, and let both arrive."""
    path = f"/v1/sessions/{CONNECTED[0]}/messages"
    daemon.ask("POST", path, {"to": RECIPIENT, "text": "Hello", "reference": "bill-7"})
    bulk: dict[str, Json] = {"template": {"text": "Hi"}, "recipients": [{"to": RECIPIENT}], "name": "autumn"}
    batch = daemon.ask("POST", f"{path}/bulk", bulk)
    daemon.ask("POST", "/v1/users/1/suppressions", {"to": "+85299999999", "reason": "complained"})
    eventually(lambda: not daemon.ask("GET", f"{path}?status=sent&status=delivered&status=queued").body["messages"])
    eventually(lambda: daemon.ask("GET", f"/v1/batches/{batch.text('batch_id')}").text("state") == "done")
    eventually(lambda: not daemon.ask("GET", "/v1/deliveries?state=pending").body["deliveries"])


@pytest.fixture
def window(daemon: Daemon) -> Open:
    """Open a window in which a command for that daemon runs."""
    environ = {"HOME": str(daemon.home.parent), "OPENWA_MANAGER_HOME": str(daemon.home)}
    return partial(_opened, environ=environ)


def _opened(
    words: Sequence[str], size: Size = SMALL, environ: dict[str, str] | None = None, **more: str
) -> AbstractContextManager[Window]:
    return opened(words, {**(environ or {}), **more}, size)


@pytest.fixture
def look(window: Open) -> Look:
    """Run a command to its end, and return what is seen then."""

    def look(words: Sequence[str], size: Size = SMALL, code: int = 0, **environ: str) -> Window:
        with window(words, size, **environ) as opened_window:
            assert opened_window.ended() == code, opened_window.text
        return opened_window

    return look
