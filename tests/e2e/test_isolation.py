"""A hostile engine under the kernel's isolation, run as a user that is not root: nothing of what it tries works."""

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from openwa_manager.processes.confinement import landlock, seccomp
from tests.e2e.peers.daemon import Daemon, eventually
from tests.e2e.peers.other_user import becoming_other, give, python_of_others
from tests.fakes.ports import free_ports

HOSTILE = Path(__file__).parent / "peers" / "hostile_node.py"

pytestmark = pytest.mark.skipif(
    landlock.abi() < landlock.SCOPES_SINCE or not seccomp.is_known(os.uname().machine),
    reason="this kernel cannot forbid all of it",
)


def run_by() -> Sequence[str]:
    """Return what runs the daemon as a user that is not root; skip the test where that is impossible."""
    becoming = becoming_other()
    if becoming is None:
        pytest.skip("root, and another user cannot run this Python")
    return becoming


def python() -> str:
    """Return a Python that the engine can run."""
    found = python_of_others()
    if found is None:
        pytest.skip("root, and there is no Python for others")
    return found


@pytest.fixture
def place() -> Iterator[Path]:
    """Make a directory that another user reaches, who owns what is in it when the test gives it to him."""
    with tempfile.TemporaryDirectory(prefix="iso", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def hostile_daemon(place: Path, isolation: str) -> Daemon:
    """Return a daemon whose `node` is hostile, with a neighbour's credentials in its home."""
    home, build = place / "home", place / "openwa"
    (home / "sessions" / "neighbour" / "data").mkdir(parents=True)
    (home / "sessions" / "neighbour" / "data" / "creds.json").write_text('{"secret": 1}')
    (home / "manager.toml").write_text("probe_misses = 100\n")
    (home / "manager.toml").chmod(0o600)
    (build / "dist").mkdir(parents=True)
    (build / "dist" / "main.js").touch()
    node = place / "node"
    node.write_text(f"#!{python()}\n{HOSTILE.read_text('utf-8')}")
    node.chmod(0o755)
    give(home)
    settings = {"OPENWA_HOME": str(build), "NODE": str(node), "ENGINE_ISOLATION": isolation}
    port = free_ports(1)[0]
    return Daemon(
        home=home,
        settings={**settings, "LISTEN": f"127.0.0.1:{port}"},
        engine="openwa",
        engine_env={"API_PORT": str(port)},
        run_by=run_by(),
    )


def found_by(daemon: Daemon, session_id: str) -> dict[str, Json]:
    path = daemon.home / "sessions" / session_id / "found.json"
    eventually(path.exists)
    found: dict[str, Json] = json.loads(path.read_text())
    return found


def test_a_hostile_engine_reaches_no_secret_and_no_neighbour(place: Path) -> None:
    with hostile_daemon(place, "kernel") as daemon:
        daemon.create("first")
        found_by(daemon, "first")
        daemon.create("second")
        found = found_by(daemon, "second")

    assert found["uid"] != 0
    tried = found["tried"]
    assert isinstance(tried, list)
    assert len([name for name in tried if str(name).startswith("signal ")]) >= 2  # the daemon, and the first engine
    assert {"run from memory", "open a ring", "keep a key for all programs of our user"} <= set(map(str, tried))
    assert found["done"] == []
    assert (place / "home" / "sessions" / "neighbour" / "data" / "creds.json").read_text() == '{"secret": 1}'


def test_without_isolation_the_same_engine_reaches_all_of_it(place: Path) -> None:
    """The test above proves nothing if its tries are such that work for nobody."""
    with hostile_daemon(place, "none") as daemon:
        daemon.create("first")
        done = found_by(daemon, "first")["done"]

    assert isinstance(done, list)
    names = {str(name).replace(str(place / "home"), "~") for name in done}
    assert {"read ~/admin.key", "read natively ~/manager.db", "read by loader ~/manager.toml"} <= names
    assert {"write ~/sessions/neighbour/new", "connect to the API", "run a shell"} <= names
    assert any(name.startswith("read environ of ") for name in names)
    assert any(name.startswith("signal ") for name in names)


@pytest.mark.parametrize("isolation", ["kernel", "none"])
def test_an_engine_and_what_it_leaves_are_refused_at_the_control_socket(place: Path, isolation: str) -> None:
    with hostile_daemon(place, isolation) as daemon:
        daemon.create("first")
        found = found_by(daemon, "first")

    tried, done = found["tried"], found["done"]
    assert isinstance(tried, list)
    assert isinstance(done, list)
    asked = {"ask the control socket", "ask the control socket as an orphan"}
    assert asked <= set(map(str, tried))
    assert not asked & set(map(str, done))
