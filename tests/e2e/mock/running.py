"""Mocks as a user starts them, and what their applications ask."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import eventually
from tests.fakes.process import ending
from tests.run.measured import MEASURED

KEY = "mock-key"
SESSION = "user_1_session_a"
NUMBER = "+85212345678"
ARGV = (sys.executable, "-m", "openwa_manager", "mock")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    raw: bytes
    kind: str

    @property
    def body(self) -> dict[str, Json]:
        """Return an object of JSON."""
        parsed: dict[str, Json] = json.loads(self.raw)
        return parsed


@dataclass(slots=True)
class Mock:
    """A mock that is ready; `env` is what it says to write into `.env`."""

    process: subprocess.Popen[str]
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Return where it is."""
        return self.env["OPENWA_BASE_URL"]

    def ask(
        self, method: str, path: str, body: Json = None, headers: Mapping[str, str] | None = None, within_s: float = 30
    ) -> Answer:
        """Ask something, with the key if no other header is given."""
        sent = {"Content-Type": "application/json", **({"X-API-Key": KEY} if headers is None else headers)}
        raw = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, raw, sent, method=method)  # noqa: S310 - http only
        try:
            with urllib.request.urlopen(request, timeout=within_s) as response:  # noqa: S310
                return Answer(status=response.status, raw=response.read(), kind=response.headers.get_content_type())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(status=error.code, raw=error.read(), kind=error.headers.get_content_type())

    def link(self, session_id: str = SESSION) -> None:
        """Make a session and wait until it is connected."""
        body: Json = {"session_id": session_id, "wait_for": "connected", "timeout_s": 30}
        assert self.ask("POST", "/v1/sessions", body).status in (200, 201)
        eventually(lambda: self.status(session_id) == "connected")

    def status(self, session_id: str = SESSION) -> Json:
        """Return the word that tells how a session is; None when there is none."""
        answer = self.ask("GET", f"/v1/sessions/{session_id}")
        return answer.body["status"] if answer.status == 200 else None

    def send(self, to: str, text: str = "Hello", session_id: str = SESSION) -> str:
        """Hand a message over to the queue; return its id."""
        answer = self.ask("POST", f"/v1/sessions/{session_id}/messages", {"to": to, "text": text})
        assert answer.status == 202, answer
        return str(answer.body["message_id"])

    def message(self, message_id: str) -> dict[str, Json]:
        """Return a message as the queue has it."""
        return self.ask("GET", f"/v1/messages/{message_id}").body

    def books(self, query: str = "") -> list[dict[str, Json]]:
        """Return what WhatsApp got."""
        return cast("list[dict[str, Json]]", self.ask("GET", f"/_mock/messages{query}", headers={}).body["messages"])

    def control(self, verb: str, body: Json = None, session_id: str = SESSION) -> Answer:
        """Have something happen to a session."""
        return self.ask("POST", f"/_mock/sessions/{session_id}/{verb}", body, {})

    def reset(self) -> None:
        """Begin anew."""
        answer = self.ask("POST", "/_mock/reset", headers={})
        assert (answer.status, answer.body["reset"]) == (200, True)


@contextmanager
def mocking(place: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> Iterator[Mock]:
    """Run a mock on a free port until left; its temporary home lies in `place`, which is empty again then."""
    env = {**os.environ, **MEASURED, "TMPDIR": str(place), **(environ or {})}
    argv = [*ARGV, "--port", "0", *arguments]
    with ending(subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True)) as process:
        assert process.stdout
        mock = Mock(process=process)
        told: dict[str, str] = {}
        for line in process.stdout:
            name, is_set, text = line.strip().partition("=")
            if is_set and name.isupper():
                told[name] = text
            if name == "OPENWA_WEBHOOK_SECRET":
                break
        mock.env = told
        yield mock
        is_killed = process.poll() == -signal.SIGKILL
        process.terminate()
        process.wait(30)
    if not is_killed:
        assert process.returncode == 0
        assert list(place.iterdir()) == []
