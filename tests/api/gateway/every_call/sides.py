"""Whom the SDK speaks to: a bare OpenWA, or the gateway with the same OpenWA behind it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
from openwa import OpenWAClient
from openwa.errors import OpenWAError

from tests.api.gateway.every_call.outcomes import Outcome, outcome_of
from tests.api.gateway.every_call.steps import NAME, Memory, Phone, Step
from tests.api.gateway.test_sdk import NO_GAP, real_settings
from tests.e2e.peers.daemon import Daemon, eventually
from tests.e2e.peers.phones import CONTROL_OFFSET, Phones
from tests.engines.rig import QUICK, SLOW_S, free_port, real_env
from tests.fakes.process import ending

KEY = "owk_0123456789abcdef0123456789abcdef"
_UNLIMITED = {f"RATE_LIMIT_{span}_LIMIT": "1000000" for span in ("SHORT", "MEDIUM", "LONG")}


class Recorder(httpx.HTTPTransport):
    """Keeps the last answer, of which the SDK tells its caller only a part."""

    last: httpx.Response | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Make the request."""
        self.last = None
        response = super().handle_request(request)
        response.read()
        self.last = response
        return response


@dataclass
class Side:
    """One of the two: an address, a key, and how its phone is played."""

    url: str
    key: str
    daemon: Daemon | None
    is_real: bool
    recorder: Recorder = field(default_factory=Recorder)

    def scan(self) -> None:
        """Let the phone scan the code."""
        if self.daemon is not None:
            Phones("openwa" if self.is_real else "simulator").steer(self.daemon, NAME, "scan")
            return
        port = int(self.url.rpartition(":")[2])
        connection = HTTPConnection("127.0.0.1", port + CONTROL_OFFSET if self.is_real else port, timeout=45)
        connection.request("POST", "/_/scan" if self.is_real else "/_sim/scan")
        assert connection.getresponse().status == 200
        connection.close()

    def walk(self, steps: Sequence[Step | Phone], hook_url: str) -> Mapping[str, Outcome]:
        """Make every call in order and return what came of each."""
        outcomes: dict[str, Outcome] = {}
        memory = Memory(hook_url, {"session": ""})
        with OpenWAClient(self.url, self.key, timeout=SLOW_S, transport=self.recorder) as client:
            for step in steps:
                if isinstance(step, Phone):
                    if step.scan:
                        self.scan()
                    eventually(partial(_is_reached, client, memory.session, step), within_s=SLOW_S)
                    continue
                outcomes[step.name] = self._make(client, step, memory)
        return outcomes

    def _make(self, client: OpenWAClient, step: Step, memory: Memory) -> Outcome:
        resource, _, method = step.call.partition(".")
        call = getattr(getattr(client, resource), method) if method else getattr(client, resource)
        with suppress(OpenWAError):  # the answer itself is looked at
            call(*step.arguments(memory), **step.options)
        answer = self.recorder.last
        assert answer is not None, step.name
        if step.keep is not None and answer.is_success:
            memory.ids[step.keep[0]] = answer.json()[step.keep[1]]
        return outcome_of(answer, memory.session)


@contextmanager
def bare(home: Path, *, is_real: bool) -> Iterator[Side]:
    """Run an OpenWA alone, as its own pages say."""
    port = free_port()
    program = [os.environ.get("NODE", "node"), f"{os.environ['OPENWA_HOME']}/dist/main"] if is_real else None
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PORT": str(port),
        "API_MASTER_KEY": KEY,
        "ENGINE_TYPE": "baileys",
        "NODE_ENV": "production",
        "VALIDATION_ERROR_DETAIL": "true",
        "SSRF_ALLOWED_HOSTS": "127.0.0.1",
        **_UNLIMITED,
        **QUICK,
        **(real_env() if is_real else {}),
    }
    home.mkdir()
    with ExitStack() as undo:
        log = undo.enter_context((home / "engine.log").open("wb"))
        argv = program or [sys.executable, "-m", "openwa_manager.simulator"]
        process = undo.enter_context(
            ending(subprocess.Popen(argv, cwd=home, env=environ, stdout=log, stderr=log), SLOW_S)
        )
        undo.callback(process.send_signal, signal.SIGTERM)
        side = Side(f"http://127.0.0.1:{port}", KEY, None, is_real)
        eventually(lambda: _is_ready(port), within_s=SLOW_S)
        yield side


@contextmanager
def behind_the_gateway(home: Path, *, is_real: bool) -> Iterator[Side]:
    """Run a daemon whose sessions run the same OpenWA."""
    engine_env = {**QUICK, **(real_env() if is_real else {})}
    settings = {**NO_GAP, "ALLOW_PRIVATE_ENDPOINTS": "true", **(real_settings() if is_real else {})}
    engine = "openwa" if is_real else "simulator"
    with Daemon(home=home, engine=engine, settings=settings, engine_env=engine_env, ready_within_s=SLOW_S) as daemon:
        key = (home / "admin.key").read_text().strip()
        yield Side(f"http://127.0.0.1:{daemon.port}", key, daemon, is_real)


@contextmanager
def hook() -> Iterator[str]:
    """Serve a webhook that takes everything, and yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    server.server_close()
    thread.join(10)


def _is_reached(client: OpenWAClient, session_id: str, step: Phone) -> bool:
    if step.batch:
        return client.messages.batch_status(session_id, step.batch)["status"] == step.until
    return client.sessions.get(session_id)["status"] == step.until


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/api/health/ready", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def as_json(outcomes: Mapping[str, Outcome]) -> str:
    """Return outcomes as a person reads them."""
    return json.dumps({name: str(outcome) for name, outcome in outcomes.items()}, indent=1, ensure_ascii=False)
