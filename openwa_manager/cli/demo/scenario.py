"""What the demo shows, step by step; each step is a check that can fail."""

import asyncio
import base64
import json
import os
import secrets
import signal
import socket
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from openwa_manager.cli.client import Client
from openwa_manager.cli.command import Invocation
from openwa_manager.cli.commands.changes.changes import stop_all
from openwa_manager.cli.demo.receiver import ReceivedEvent, Receiver
from openwa_manager.cli.discovery import SocketDaemon, socket_of
from openwa_manager.cli.errors import INTERRUPTED
from openwa_manager.cli.terminal.output import Output, cell
from openwa_manager.cli.terminal.qr_drawing import draw, modules_of
from openwa_manager.config import GUIDE_NAMES, PREFIX
from openwa_manager.domain.errors import OpenwaManagerError
from openwa_manager.engines.registry import SIMULATOR
from openwa_manager.processes.signals import ending_signals

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

SESSION = "user_1_session_demo"
#: How long any one step may take before the demo gives up: the longest takes 2 s on an idle machine.
PATIENCE_S = 30.0
_POLL_S = 0.05
#: How long the last event may take to arrive.
_FAREWELL_S = 2.0
_GOING_ON = """
> What next
  {program} help install    # a phone of yours, and a first message
  {program} help mock       # simulated phones for an application's tests
  {program} help            # every command and page"""
#: No limits that a small machine might meet: a simulated engine needs 20 MB.
_SETTINGS = {
    "ENGINE": SIMULATOR,
    "ENGINE_ENV": json.dumps({"SIM_RECONNECT_S": "0.2"}),
    "MIN_FREE_MEMORY_BYTES": "0",
    "MIN_FREE_DISK_BYTES": "0",
    "LOG_FORMAT": "json",
    "RATE_PER_S": "0",
}
#: What every event has, and the image, which is drawn instead.
_UNSHOWN = (
    *("id", "type", "event", "timestamp", "session_id", "user_id", "seq", "launch", "host"),
    *("qr_base64", "mimetype", "reason_detail"),
)


class DemoFailedError(OpenwaManagerError):
    """A step of the demo failed; the message says which."""

    code = "demo_failed"


class _Demo(NamedTuple):
    """What the steps of the demo use."""

    home: Path
    receiver: Receiver
    output: Output

    @property
    def client(self) -> Client:
        """Return what asks the daemon: with a key as soon as there is one, for whoever receives events needs it."""
        key = self.home / "admin.key"
        return Client(SocketDaemon(socket_of(self.home), key.read_text().strip() if key.exists() else None))

    async def expect(self, event_type: str) -> ReceivedEvent:
        """Return the next such event to arrive upstream, rightly signed.

        Raises:
            DemoFailedError: it does not.
        """
        try:
            arrival = await self.receiver.expect(event_type, PATIENCE_S)
        except TimeoutError:
            raise DemoFailedError(f"no {event_type} arrived upstream within {PATIENCE_S:g} s") from None
        if self.receiver.forged:
            raise DemoFailedError(f"the signatures of {self.receiver.forged[0].type} are wrong")
        return arrival

    async def session(self) -> "Mapping[str, Json]":
        """Return the session as the daemon sees it now."""
        return cast("Mapping[str, Json]", await asyncio.to_thread(self.client.get, f"/v1/sessions/{SESSION}"))


def run_demo(invocation: Invocation, *, once: bool) -> int:
    """Run every step, then go on until Ctrl-C unless `once`; return 0 if all succeeded, 130 if it was interrupted.

    Raises:
        DemoFailedError: a step failed.
    """
    try:
        asyncio.run(_run_steps(invocation, once=once))
    except asyncio.CancelledError:
        return INTERRUPTED
    return 0


async def _run_steps(invocation: Invocation, *, once: bool) -> None:
    output = invocation.output
    output.write("A daemon, a simulated engine, and a backend that checks the signatures of every event.\n")
    secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    steps = asyncio.current_task()
    _on_signals(lambda: steps.cancel() if steps else None)
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openwa-demo-")))
        receiver = await stack.enter_async_context(Receiver(secret, lambda arrival: output.write(_line(arrival))))
        environ = _environ(invocation.environ, home, receiver.url, secret)
        demo = _Demo(home, receiver, output)
        await stack.enter_async_context(_daemon(demo, environ))
        await _pair(demo)
        await _crash(demo)
        if not once:
            output.write(_invitation(environ, home))
            over = asyncio.Event()
            _on_signals(over.set)
            output.write("\nGoing on until Ctrl-C; events are shown as they arrive.")
            await over.wait()
    output.write(_GOING_ON.format(program=_program()))
    output.write("\nAll went as told.")


def _environ(inherited: Mapping[str, str], home: Path, url: str, secret: str) -> dict[str, str]:
    """Return what the daemon is told: nothing of what a daemon of the user's own would be."""
    foreign = {
        name: text for name, text in inherited.items() if not name.startswith(PREFIX) and name not in GUIDE_NAMES
    }
    listen, intake_listen = _free_addresses(2)
    own = {
        "HOME": str(home),
        "LISTEN": listen,
        "INTAKE_LISTEN": intake_listen,
        "UPSTREAM_URL": url,
        "UPSTREAM_SECRET": secret,
        **_SETTINGS,
    }
    return foreign | {PREFIX + name: text for name, text in own.items()}


def _free_addresses(count: int) -> list[str]:
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in held]


def _on_signals(react: Callable[[], object]) -> None:
    for number in ending_signals():
        asyncio.get_running_loop().add_signal_handler(number, react)


@asynccontextmanager
async def _daemon(demo: _Demo, environ: Mapping[str, str]) -> AsyncIterator[None]:
    """Run a daemon; at the end its engines end before it does."""
    demo.output.write(f"> Start the daemon in {demo.home}")
    began_s = time.perf_counter()
    with (demo.home / "daemon.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "openwa_manager", "serve"),
            env=environ,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        await _until_ready(demo, process)
        demo.output.write(f"  ready after {_since(began_s)}, pid {process.pid}")
        yield
    except DemoFailedError:
        said = (demo.home / "daemon.log").read_text("utf-8", errors="replace")
        demo.output.write(f"\n  The end of the daemon's log:\n{said[-2000:]}")
        raise
    finally:
        _on_signals(lambda: None)  # ignore a second one until everything has ended
        demo.output.write("\n> End the engine, then the daemon")
        await _wind_down(demo, process)


async def _until_ready(demo: _Demo, process: Process) -> None:
    give_up_s = time.perf_counter() + PATIENCE_S
    while process.returncode is None and time.perf_counter() < give_up_s:
        try:
            await asyncio.to_thread(demo.client.get, "/readyz")
        except OpenwaManagerError:
            await asyncio.sleep(_POLL_S)
        else:
            return
    raise DemoFailedError("the daemon did not become ready")


async def _wind_down(demo: _Demo, process: Process) -> None:
    try:
        await asyncio.to_thread(stop_all, demo.client, PATIENCE_S)
        with suppress(TimeoutError):  # there is none to come when the demo was cut short before its engine ran
            await demo.receiver.expect("session.stopped", _FAREWELL_S)
    except OpenwaManagerError as error:
        demo.output.write(f"  the engines could not be ended: {error}")
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(PATIENCE_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _pair(demo: _Demo) -> None:
    demo.output.write(f"\n> Create the session {SESSION}: POST /v1/sessions")
    began_s = time.perf_counter()
    body: Mapping[str, Json] = {"session_id": SESSION, "engine": SIMULATOR}
    await asyncio.to_thread(demo.client.post, "/v1/sessions", None, body)
    pushed = await demo.expect("session.qr")
    demo.output.write(draw(modules_of(str(pushed.event["qr_base64"]))))
    demo.output.write(f"  the code was upstream {_since(began_s, pushed.at_s)} after the request")
    demo.output.write("\n> The phone scans it")
    socket = Path(cast("str", (await demo.session())["socket"]))
    began_s = time.perf_counter()
    await asyncio.to_thread(Client(SocketDaemon(socket)).post, "/_sim/scan")
    connected = await demo.expect("session.connected")
    demo.output.write(f"  connected {_since(began_s, connected.at_s)} after the scan")


async def _crash(demo: _Demo) -> None:
    pid = cast("int", (await demo.session())["pid"])
    demo.output.write(f"\n> Kill the engine: kill -9 {pid}")
    began_s = time.perf_counter()
    os.kill(pid, signal.SIGKILL)
    crashed = await demo.expect("session.crashed")
    restarted = await demo.expect("session.restarted")
    connected = await demo.expect("session.connected")
    session = await demo.session()
    if session["status"] != "connected" or session["pid"] in (None, pid):
        raise DemoFailedError(f"the session is {session['status']} with pid {session['pid']} after the restart")
    demo.output.write(
        f"  the crash was known upstream after {_since(began_s, crashed.at_s)}; the new engine, pid {session['pid']}, "
        f"after {_since(began_s, restarted.at_s)};\n  connected again after {_since(began_s, connected.at_s)}, "
        "without another scan"
    )


def _invitation(environ: Mapping[str, str], home: Path) -> str:
    listen = environ[PREFIX + "LISTEN"]
    return (
        "\n> Ask this daemon yourself\n"
        f'  curl -H "X-API-Key: $(cat {home}/admin.key)" http://{listen}/v1/sessions\n'
        f"  curl --unix-socket {socket_of(home)} http://localhost/v1/sessions/{SESSION}/why\n"
        f"  {_program()} --home {home} list\n"
        f"  http://{listen}/docs in a browser: the pages, and every call"
    )


def _program() -> str:
    """Return how this program was called, since it need not lie in PATH."""
    return sys.argv[0] if Path(sys.argv[0]).name == "openwa-manager" else f"{sys.executable} -m openwa_manager"


def _line(arrival: ReceivedEvent) -> str:
    mark = "\N{CHECK MARK}" if arrival.is_genuine else "\N{BALLOT X} WRONG SIGNATURE"
    facts = {name: value for name, value in arrival.event.items() if name not in _UNSHOWN and value is not None}
    return f"    {mark} {arrival.type:<20} {cell(facts) if facts else ''}".rstrip()


def _since(began_s: float, ended_s: float | None = None) -> str:
    elapsed_s = (time.perf_counter() if ended_s is None else ended_s) - began_s
    return f"{elapsed_s:.2f} s" if elapsed_s >= 1 else f"{elapsed_s * 1000:.0f} ms"
