"""A daemon with healthy sessions, attacked by engines, callers and a local user, and what became of it."""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from openwa_manager import simulator
from tests.e2e.peers import hostile_node
from tests.e2e.peers.daemon import SCANNED, Daemon, eventually, steer
from tests.e2e.peers.other_user import becoming_other, give, python_of_others
from tests.e2e.peers.upstream import SECRET
from tests.fakes.ports import free_ports
from tests.fakes.process import ending
from tests.soak import callers, engine
from tests.soak.census import PLANTED, Census
from tests.soak.meter import Plan, samples_in
from tests.soak.servers import NEIGHBOUR
from tests.soak.verdict import Answered, Judgement, Messages, Window

_SETTINGS = {
    "PROBE_PERIOD_S": "2",
    "PROBE_TIMEOUT_S": "2",
    "STOP_GRACE_S": "2",
    "BACKOFF_FIRST_S": "1",
    "BACKOFF_MAX_S": "5",
    "MESSAGE_GAP_MIN_S": "0",
    "MESSAGE_GAP_MAX_S": "0",
    "LOG_LEVEL": "warning",
    # The posts go through a server of ours on this host.
    "ALLOW_PRIVATE_ENDPOINTS": "true",
}
#: Makes the daemon lead a session, as service managers do: Linux shares the time out by session.
_LEADING = ("setsid",) if shutil.which("setsid") else ()
#: How long a hostile engine may live; there are as many at a time as there are neighbours.
_LIFE_S = 20.0
#: Between two messages that the neighbours receive, and for how long one may be under way at the end: an engine tries
#: for more than two minutes to post one to us.
_MESSAGE_PERIOD_S, _DELIVERED_WITHIN_S = 0.25, 240.0
#: What part of the time is measured in peace, and how much at most.
_PEACE_SHARE, _PEACE_MAX_S = 0.2, 60.0


@dataclass
class Stage:
    """The daemon under attack, where it lies, and how its user starts a Python by hand."""

    folder: Path
    daemon: Daemon
    by_hand: Sequence[str]
    neighbours: Sequence[str]
    windows: list[Window] = field(default_factory=list)
    deletions: list[Answered] = field(default_factory=list)
    planted: list[str] = field(default_factory=list)
    spied: list[str] = field(default_factory=list)
    spied_count: int = 0

    @property
    def sessions(self) -> Path:
        """Return where the sessions' directories lie."""
        return self.daemon.home / "sessions"


def attack(neighbour_count: int, seconds: float, dice: random.Random, only: Sequence[str] = ()) -> Judgement:
    """Attack for so long, by the attacks of these names or all, and return what was seen."""
    with tempfile.TemporaryDirectory(prefix="owh", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        with ExitStack() as stack:
            receiver_port, bare_port = free_ports(2)
            stage = _stage(folder, neighbour_count, receiver_port)
            stack.enter_context(program("tests.soak.servers", "receiver", str(receiver_port), str(folder / "arrived")))
            stack.enter_context(program("tests.soak.servers", "bare", str(bare_port)))
            stack.enter_context(stage.daemon)
            return _play(stage, f"http://127.0.0.1:{bare_port}", seconds, dice, only)


def _stage(folder: Path, neighbour_count: int, receiver_port: int) -> Stage:
    """Lay out a home with secrets in it, and a build of OpenWA whose `node` is hostile."""
    home, build = folder / "home", folder / "openwa"
    secret = home / "sessions" / "neighbour" / "data" / "creds.json"
    secret.parent.mkdir(parents=True)
    secret.write_text('{"secret": 1}')
    (home / "manager.toml").write_text("probe_misses = 4\n")
    (home / "manager.toml").chmod(0o600)
    (build / "dist").mkdir(parents=True)
    (build / "dist" / "main.js").touch()
    shutil.copy(hostile_node.__file__, build / "dist")
    shutil.copytree(Path(simulator.__file__).parent, build / "dist" / "openwa_manager" / "simulator")
    run_by, python = _who_runs()
    node = folder / "node"
    node.write_text(f"#!{python}\n{Path(engine.__file__).read_text('utf-8')}")
    node.chmod(0o755)
    if run_by:
        give(home)
    port, intake = free_ports(2)
    settings = {
        **_SETTINGS,
        "LISTEN": f"127.0.0.1:{port}",
        "INTAKE_LISTEN": f"127.0.0.1:{intake}",
        "OPENWA_HOME": str(build),
        "NODE": str(node),
        "UPSTREAM_URL": f"http://127.0.0.1:{receiver_port}/webhooks/openwa",
        "UPSTREAM_SECRET": SECRET,
    }
    env = {**SCANNED, "SIMULATE_TYPING": "false", "API_PORT": str(port)}
    daemon = Daemon(
        home=home, settings=settings, engine_env=env, engine="openwa", run_by=(*_LEADING, *run_by), ready_within_s=60
    )
    names = [f"{NEIGHBOUR}-{number}" for number in range(neighbour_count)]
    return Stage(folder=folder, daemon=daemon, by_hand=(*run_by, python), neighbours=names)


def _who_runs() -> tuple[Sequence[str], str]:
    """Return what runs the daemon as a user that is not root, and a Python for its engines; as we are if need be."""
    run_by, python = becoming_other(), python_of_others()
    argv = [python or "", "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    if run_by is None or python is None or subprocess.run(argv, check=False, timeout=60).returncode:
        return (), sys.executable
    return run_by, python


def _play(stage: Stage, bare: str, seconds: float, dice: random.Random, only: Sequence[str]) -> Judgement:
    daemon, measured, arrived = stage.daemon, stage.folder / "measured", stage.folder / "arrived"
    assert daemon.process is not None
    for name in stage.neighbours:
        daemon.create(name)
    sockets = [Path(daemon.until(name, "connected", within_s=60).text("socket")) for name in stage.neighbours]
    before = daemon.registry()
    plan = _write_plan(stage, bare, sockets)
    messages, ended = Messages(), threading.Event()
    with Census(stage.sessions, daemon.process.pid) as census:
        with program("tests.soak.meter", str(plan), str(measured)), _thread(_talk, stage, sockets, messages, ended):
            time.sleep(min(_PEACE_MAX_S, seconds * _PEACE_SHARE))
            hostile_from = time.time()  # noqa: TID251 (compared with other processes)
            _be_hostile(stage, seconds * (1 - _PEACE_SHARE), dice, only)
            hostile_until = time.time()  # noqa: TID251 (compared with other processes)
            ended.set()
        with suppress(AssertionError):
            eventually(lambda: messages.all_arrived(arrived), within_s=_DELIVERED_WITHIN_S, every_s=1)
        messages.read(arrived)
        disturbed = _disturbed(stage, before)
    return Judgement(
        samples=samples_in(measured),
        hostile=Window("all", hostile_from, hostile_until),
        windows=stage.windows,
        census=census,
        deletions=stage.deletions,
        messages=messages,
        disturbed=disturbed,
        planted=stage.planted,
        spied=stage.spied,
        spied_count=stage.spied_count,
        errors=[line for line in daemon.log.splitlines() if '"level": "error"' in line or "Traceback" in line],
    )


def _write_plan(stage: Stage, bare: str, sockets: Sequence[Path]) -> Path:
    plan = stage.folder / "plan"
    Plan(
        daemon=f"http://{stage.daemon.settings['LISTEN']}",
        bare=bare,
        key=(stage.daemon.home / "admin.key").read_text().strip(),
        neighbours=tuple(stage.neighbours),
        sockets=tuple(map(str, sockets)),
    ).write(plan)
    return plan


def _disturbed(stage: Stage, before: Mapping[str, int]) -> list[str]:
    """Return the neighbours whose engine is another than before, and those whose link is down."""
    after = stage.daemon.registry()
    statuses = {name: str(stage.daemon.session(name).body["status"]) for name in stage.neighbours}
    return [
        *(f"{name}: another engine" for name in stage.neighbours if after.get(name) != before[name]),
        *(f"{name}: {status}" for name, status in statuses.items() if status != "connected"),
    ]


def _talk(stage: Stage, sockets: Sequence[Path], messages: Messages, ended: threading.Event) -> None:
    """Have the neighbours receive messages, in turn."""
    number = 0
    while not ended.wait(_MESSAGE_PERIOD_S):
        name, path = stage.neighbours[number % len(sockets)], sockets[number % len(sockets)]
        text = f"n{number:07}"
        steer(path, f"receive?from=85212345678&text={text}")
        messages.sent[text] = (name, time.time())  # noqa: TID251 (compared with another process)
        number += 1


def _be_hostile(stage: Stage, seconds: float, dice: random.Random, only: Sequence[str]) -> None:
    vices = [name for name in engine.VICES if not only or name in only]
    attacks = [name for name in callers.ATTACKS if not only or name in only]
    daemon = stage.daemon
    key, control = str(daemon.home / "admin.key"), str(daemon.home / "run" / "manager.sock")
    ports = [daemon.settings[name].rpartition(":")[2] for name in ("LISTEN", "INTAKE_LISTEN")]
    words = [*ports, key, control, str(dice.randrange(10**6)), *attacks]
    told = stage.folder / "attacks"
    end_s = time.monotonic() + seconds
    with ExitStack() as stack:
        if attacks:
            stack.enter_context(program("tests.soak.callers", *words, output=told))
        if not only or "local_user" in only:
            stack.enter_context(_thread(_plant, stage, end_s))
        if vices:
            _play_engines(stage, vices, end_s, dice)
        time.sleep(max(0.0, end_s - time.monotonic()))
    if attacks:
        stage.windows += [Window.read(line) for line in told.read_text().splitlines() if line.endswith("}")]


def _play_engines(stage: Stage, vices: Sequence[str], end_s: float, dice: random.Random) -> None:
    """Let some hostile engines live at a time, each for a while, until all is over; then delete them all."""
    lives: list[_Life] = []
    pending: list[str] = []
    number = 0
    while time.monotonic() < end_s:
        for life in [each for each in lives if each.end_s <= time.monotonic()]:
            lives.remove(life)
            life.end(stage)
        while len(lives) < len(stage.neighbours):
            pending = pending or dice.sample(vices, len(vices))
            lives.append(_Life(f"{pending.pop()}-{number}", time.monotonic() + dice.uniform(0.5, 1) * _LIFE_S))
            lives[-1].begin(stage)
            number += 1
        _use(stage, dice.choice(lives).name, dice)
        _read_findings(stage)
        time.sleep(0.5)
    for life in lives:
        life.end(stage)


@dataclass
class _Life:
    """One hostile engine's session."""

    name: str
    end_s: float
    began_at: float = field(default_factory=time.time)  # noqa: TID251 (compared with other processes)

    def begin(self, stage: Stage) -> None:
        stage.daemon.ask("POST", "/v1/sessions", {"session_id": self.name, "engine": "openwa"})

    def end(self, stage: Stage) -> None:
        """Delete it, and note how long the answer took."""
        began_s = time.monotonic()
        answer = stage.daemon.ask("DELETE", f"/v1/sessions/{self.name}")
        stage.deletions.append(Answered(self.name, answer.status, time.monotonic() - began_s))
        stage.windows.append(Window(self.name.partition("-")[0], self.began_at, time.time()))  # noqa: TID251 (as above)


def _use(stage: Stage, name: str, dice: random.Random) -> None:
    """Do with a hostile session what its owner may."""
    verb = dice.choice(("restart", "stop", "start", "start", "none", "none", "none", "none"))
    if verb != "none":
        stage.daemon.ask("POST", f"/v1/sessions/{name}/{verb}?wait=0")
    stage.daemon.ask("GET", f"/v1/sessions/{name}/{dice.choice(('qr', 'logs?tail=100', 'why', 'health'))}")


def _read_findings(stage: Stage) -> None:
    for path in stage.sessions.glob("spy-*/found.json"):
        with suppress(OSError, ValueError):
            found = json.loads(path.read_text())
            stage.spied_count += len(found["tried"])
            stage.spied += [] if found["uid"] == 0 else found["done"]
            path.unlink()


def _plant(stage: Stage, end_s: float) -> None:
    """Start an engine by hand in the directory of a session that rests, and ask the daemon for another one there."""
    daemon, name = stage.daemon, "planted-0"
    daemon.create(name, desired="stopped")
    modules = str(stage.folder / "openwa" / "dist")
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": modules, "API_MASTER_KEY": "k" * 40, PLANTED: "1"}
    while time.monotonic() < end_s:
        daemon.ask("POST", f"/v1/sessions/{name}/start?wait=10")
        daemon.ask("POST", f"/v1/sessions/{name}/stop?wait=20")
        argv = [*stage.by_hand, "-m", "openwa_manager.simulator"]
        environ["PORT"] = str(free_ports(1)[0])
        quiet = subprocess.DEVNULL
        program = subprocess.Popen(argv, cwd=stage.sessions / name, env=environ, stdout=quiet, stderr=quiet)
        with ending(program) as process:
            time.sleep(2)
            status = daemon.ask("POST", f"/v1/sessions/{name}/start?wait=0").status
            if status != 409:
                stage.planted.append(f"start beside an engine that was planted by hand: {status}")
            process.kill()
        time.sleep(1)


@contextmanager
def program(module: str, *words: str, output: Path = Path(os.devnull)) -> Iterator[None]:
    """Run one of our programs while the body runs."""
    with output.open("ab") as out:
        argv = [sys.executable, "-m", module, *words]
        process = subprocess.Popen(argv, stdout=out, start_new_session=True)  # Linux shares time out by session
        with ending(process):
            try:
                yield
            finally:
                process.kill()


@contextmanager
def _thread(work: object, *arguments: object) -> Iterator[None]:
    """Do it in a thread, which must have ended some time after the body; what it raises is not lost."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work(*arguments)  # type: ignore[operator]  # any function
        except BaseException as error:  # noqa: BLE001 (raised below)
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(60)
    if failures:
        raise failures[0]
