"""The last release itself is run, from the history, and this version takes over its database and its engines."""

import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import SCANNED, Daemon, eventually
from tests.e2e.peers.upstream import Upstream
from tests.fakes.ports import free_ports
from tests.source import ROOT

#: Version 0.2.0.
RELEASE = "44a50e1389ff730e8cc291bdc060a04dc12bb3c1"
NAMES = ("user_1_session_a", "user_2_session_b", "user_3_session_c")
#: Settings of the tests that the release did not know.
NEWER = ("RATE_PER_S",)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Return a folder with the package as it was released."""
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")
    argv = (git, "-C", str(ROOT), "archive", RELEASE, "openwa_manager")
    archive = subprocess.run(argv, capture_output=True, check=False, timeout=60)
    if archive.returncode:
        pytest.skip("the history of the release is not here")
    place = tmp_path / "release"
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as packed:
        packed.extractall(place, filter="data")
    return place


@dataclass
class Released(Daemon):
    """A daemon of the release."""

    def start(self, *, wait: bool = True, settings: Mapping[str, str] | None = None) -> None:
        self._settings = {name: value for name, value in self._settings.items() if name not in NEWER}
        super().start(wait=wait, settings=settings)


def seqs(upstream: Upstream, session_id: str) -> list[Json]:
    return [event["seq"] for event in upstream.of(session_id) if event["seq"] is not None]


def test_an_upgrade_from_the_last_release_leaves_every_engine_running_and_forgets_nothing(
    tmp_path: Path, release: Path
) -> None:
    port, intake = free_ports(2)
    upstream = Upstream(port)  # away until the upgrade
    settings = {**upstream.settings, "INTAKE_LISTEN": f"127.0.0.1:{intake}"}
    there = ("sh", "-c", 'cd "$0" && exec "$@"', str(release))
    former = Released(home=tmp_path / "home", settings=settings, engine_env=SCANNED, run_by=there)
    with former:
        version = former.ask("GET", "/v1/system").body["version"]
        for name in NAMES:
            former.create(name, labels={"of": name})
        known = {name: former.until(name, "connected", within_s=60).body for name in NAMES}
        pids = former.registry()
        former.terminate()

        with upstream, Daemon(home=former.home, settings=settings, engine_env=SCANNED, ready_within_s=60) as daemon:
            for name in NAMES:
                daemon.until(name, "connected", within_s=60)
            found = {name: daemon.session(name).body for name in NAMES}
            adopted = daemon.registry()
            eventually(lambda: all("session.connected" in str(upstream.of(name)) for name in NAMES), within_s=60)
            crashed = daemon.ask("GET", "/v1/events?type=session.crashed&limit=10").body["events"]
            explained = daemon.ask("GET", f"/v1/sessions/{NAMES[0]}/why?limit=500").body["steps"]

    assert version == "0.2.0"
    assert adopted == pids
    assert crashed == []
    for field in ("labels", "user_id", "phone_number", "created_at", "last_connected_at"):
        assert [found[name][field] for name in NAMES] == [known[name][field] for name in NAMES]
    for name in NAMES:
        assert seqs(upstream, name) == list(range(1, len(seqs(upstream, name)) + 1))
    assert isinstance(explained, list)
    assert isinstance(explained[0], dict)
    assert explained[0]["stimulus"] == "created"  # which the release called by the name of its class
