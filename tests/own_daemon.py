"""A daemon as a developer runs one: on the default ports and below `~`, with a session. Tests must not touch it."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from openwa_manager.config import Settings
from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import SCANNED, UnixConnection, eventually
from tests.fakes.process import ending

_SESSION = "of_the_developer"
#: The rules that a small machine could break are off.
_SETTINGS = {
    "ENGINE": "simulator",
    "ENGINE_ENV": json.dumps(SCANNED),
    "MIN_FREE_DISK_BYTES": "0",
    "MIN_FREE_MEMORY_BYTES": "0",
}


def why_no_daemon() -> str | None:
    """Tell what keeps a daemon from the default ports; None if nothing does."""
    settings = Settings()
    for name, address in (("listen", settings.listen), ("intake_listen", settings.intake_listen)):
        try:
            socket.create_server((address.host, address.port)).close()
        except OSError as error:
            return f"{name} {address}: {error.strerror}"
    return None


@contextmanager
def own_daemon() -> Iterator[Mapping[str, str]]:
    """Run the daemon and yield the variables that lead to it; at the end it must be as it was.

    Raises:
        AssertionError: something has happened to it or its session.
    """
    with tempfile.TemporaryDirectory(prefix="own", dir="/tmp") as user_home:
        environ = {"PATH": os.environ["PATH"], "HOME": user_home}
        settings = {f"OPENWA_MANAGER_{name}": value for name, value in _SETTINGS.items()}
        argv = (sys.executable, "-m", "openwa_manager", "serve")
        with Path(user_home, "log").open("wb") as log:
            process = subprocess.Popen(argv, env=environ | settings, stdin=log, stdout=log, stderr=log)
        with ending(process, 30):
            caller = _Caller(Path(user_home, ".openwa-manager"))
            eventually(caller.is_ready)
            caller.ask("POST", "/v1/sessions", {"session_id": _SESSION})
            before = eventually(caller.state)
            try:
                yield {"HOME": user_home}
                assert process.poll() is None, "the developer's daemon has ended"
                assert caller.state() == before, f"{before} has become {caller.state()}"
            finally:
                caller.ask("POST", "/v1/sessions/stop", {})
                process.send_signal(signal.SIGTERM)


class _Caller:
    """Speaks to the daemon of a home."""

    def __init__(self, home: Path) -> None:
        self._socket = home / "run" / "manager.sock"

    def is_ready(self) -> bool:
        """Tell whether it serves."""
        try:
            self.ask("GET", "/readyz")
        except (OSError, http.client.HTTPException):
            return False
        return True

    def state(self) -> Mapping[str, Json] | None:
        """Return what must stay as it is; None before the session is connected."""
        session = self.ask("GET", f"/v1/sessions/{_SESSION}")
        kept = {name: session[name] for name in ("status", "pid", "restarts", "started_at")}
        return kept if kept["status"] == "connected" else None

    def ask(self, method: str, path: str, body: Mapping[str, Json] | None = None) -> dict[str, Json]:
        """Call the API, which must agree."""
        connection = UnixConnection(self._socket)
        try:
            raw = None if body is None else json.dumps(body).encode()
            connection.request(method, path, raw, {"Content-Type": "application/json"} if raw else {})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise http.client.HTTPException(f"{method} {path}: {answer.status} {content!r}")
        document = json.loads(content) if content else {}
        assert isinstance(document, dict)
        return document
