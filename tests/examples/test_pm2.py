"""The example for PM2: a restart of the daemon by a real PM2 leaves every engine running, and they are taken up."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import pytest

from openwa_manager.processes.reading.identity import live_identity_of
from tests.e2e.peers.daemon import SCANNED, Daemon, eventually
from tests.source import ROOT

CONFIG = ROOT / "examples" / "pm2" / "ecosystem.config.js"
PROGRAM = Path(sys.executable).with_name("openwa-manager")
INSTALL_S, CALL_S = 240, 60

pytestmark = [pytest.mark.registry, pytest.mark.timeout(420)]


@pytest.fixture(scope="module")
def pm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return PM2's program, of the newest 7."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    place = tmp_path_factory.mktemp("pm2")
    argv = (npm, "install", "--no-audit", "--no-fund", "--prefix", str(place), "pm2@7")
    installed = subprocess.run(argv, cwd=place, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    if installed.returncode:
        pytest.skip(f"npm cannot install pm2: {installed.stderr.strip().splitlines()[-1:]}")
    return place / "node_modules" / ".bin" / "pm2"


@dataclass
class DaemonOfPm2(Daemon):
    """A daemon that PM2 starts and ends, with a home of its own for PM2."""

    pm2: Path = field(kw_only=True)

    @property
    def pm2_home(self) -> Path:
        """Return where this PM2 keeps its things."""
        return self.home.parent / "pm2"

    def pm(self, *words: str) -> str:
        """Run a command of PM2, which must be done."""
        environ = {
            "PATH": os.environ["PATH"],
            **{f"OPENWA_MANAGER_{name}": value for name, value in self._settings.items()},
            "HOME": str(self.home.parent),
            "PM2_HOME": str(self.pm2_home),
            "OPENWA_MANAGER_HOME": str(self.home),
            "MANAGER_PROGRAM": str(PROGRAM),
        }
        done = subprocess.run(
            (str(self.pm2), *words), env=environ, capture_output=True, text=True, timeout=CALL_S, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, *, wait: bool = True, settings: Mapping[str, str] | None = None) -> None:
        self._settings |= settings or {}
        self.pm("start", str(CONFIG))
        if wait:
            eventually(self._is_ready, within_s=self.ready_within_s)

    def pid(self) -> int:
        """Return the daemon's process."""
        return int(self.pm("pid", "openwa-manager").strip() or 0)

    def _is_ready(self) -> bool:
        with suppress(OSError):
            return self.ask("GET", "/readyz").status == 200
        return False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pid_file = self.pm2_home / "pm2.pid"
        if pid_file.exists():
            with suppress(ProcessLookupError):
                os.kill(int(pid_file.read_text()), signal.SIGKILL)  # first: it would start the daemon again
        self.process = subprocess.Popen(("true",))
        super().__exit__(kind, error, trace)


@pytest.fixture
def daemon(pm2: Path, tmp_path: Path) -> Iterator[DaemonOfPm2]:
    with DaemonOfPm2(home=tmp_path / "home", engine_env=SCANNED, pm2=pm2, ready_within_s=60) as running:
        yield running


def connected(daemon: Daemon, names: Sequence[str]) -> dict[str, int]:
    for name in names:
        daemon.until(name, "connected", within_s=60)
    return daemon.registry()


def test_a_restart_by_pm2_leaves_every_engine_running(daemon: DaemonOfPm2) -> None:
    names = ("a", "b", "c")
    for name in names:
        daemon.create(name)
    before, former = connected(daemon, names), daemon.pid()

    daemon.pm("restart", "openwa-manager")
    eventually(lambda: live_identity_of(former) is None and daemon._is_ready(), within_s=60)

    assert daemon.pid() not in (0, former)
    assert connected(daemon, names) == before
    assert sorted(before) == list(names)
    assert daemon.ask("GET", "/v1/events?type=session.crashed&limit=10").body["events"] == []


def test_engines_outlive_a_stop_by_pm2_too(daemon: DaemonOfPm2) -> None:
    daemon.create("a")
    (engine,) = connected(daemon, ("a",)).values()
    former = daemon.pid()

    daemon.pm("stop", "openwa-manager")
    ended = live_identity_of(former) is None
    survived = live_identity_of(engine) is not None
    daemon.start()

    assert (ended, survived) == (True, True)
    assert list(connected(daemon, ("a",)).values()) == [engine]


def test_a_daemon_that_only_a_person_can_help_is_not_started_again(daemon: DaemonOfPm2) -> None:
    daemon.pm("delete", "openwa-manager")

    daemon.start(wait=False, settings={"ENGINE": "nonsense"})
    shown = eventually(lambda: app if (app := json.loads(daemon.pm("jlist"))[0]["pm2_env"]).get("exit_code") else None)

    assert (shown["exit_code"], shown["status"], shown["restart_time"]) == (78, "stopped", 0)
