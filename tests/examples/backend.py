"""A backend made of an example: a process of its own on a port of its own, and what can be asked of it."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import eventually

EXAMPLES = Path(__file__).parents[2] / "examples"
SECRET = "whsec_" + base64.b64encode(b"a secret of the example backend.").decode()
PATH = "/webhooks/openwa"


@dataclass
class Backend:
    """One example, run in `folder`; leaving it ends it, entering it again starts it on the same port."""

    argv: Sequence[str]
    port: int
    folder: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **self.environ}
        with (self.folder / "backend.log").open("ab") as log:
            self.process = subprocess.Popen(self.argv, cwd=self.folder, env=environ, stdout=log, stderr=log)
        eventually(self._listens)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    @property
    def settings(self) -> dict[str, str]:
        """Return the settings that make this backend the daemon's default endpoint."""
        return {"UPSTREAM_URL": f"http://127.0.0.1:{self.port}{PATH}", "UPSTREAM_SECRET": SECRET}

    @property
    def log(self) -> str:
        """Return everything it printed."""
        return (self.folder / "backend.log").read_text()

    def post(self, event: Mapping[str, Json], **headers: str) -> int:
        """Post an event as anybody could and return the status of the answer."""
        return self.ask("POST", PATH, json.dumps(event).encode(), headers)[0]

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Make one request and return status and body of the answer."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


def standard_headers(event: Mapping[str, Json], sent_at: float, secret: str = SECRET) -> dict[str, str]:
    """Return the headers Standard Webhooks asks for, computed here from scratch."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{event['id']}.{int(sent_at)}.".encode() + json.dumps(event).encode()
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": str(event["id"]),
        "webhook-timestamp": str(int(sent_at)),
        "webhook-signature": f"v1,{signature}",
    }


def plain_header(event: Mapping[str, Json], secret: str = SECRET) -> dict[str, str]:
    """Return the header that `hash_hmac('sha256', $body, $secret)` checks."""
    digest = hmac.new(secret.encode(), json.dumps(event).encode(), hashlib.sha256).hexdigest()
    return {"X-OpenWA-Signature": f"sha256={digest}"}
