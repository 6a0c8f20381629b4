"""The host: how the daemon gets there, and what its owner does."""

import subprocess
import sys
from pathlib import Path

from tests.e2e.builds.trees import commit_to, node_settings, write_built, write_node, write_source
from tests.pages.world import NOTHING_RUNS, Place, World


def write_releases(top: Path) -> None:
    """Make a repository of OpenWA with the releases that pages name, a Node.js that runs them, and a build."""
    write_node(top)
    for version in ("0.22.0", "0.23.1"):
        commit_to(top / "releases.git", write_source(top / f"source-{version}", version), f"v{version}")
    write_built(top / "home" / "openwa", "0.22.0")


def install_former(place: Place) -> None:
    """Have a build that nobody runs."""
    argv = [str(place.top / "bin" / "openwa-manager"), "engine", "install", "0.22.0"]
    subprocess.run(argv, env=place.environ, check=True, timeout=90)


#: The settings of a daemon whose engines are these builds.
BUILDS = {
    "ENGINE": "openwa",
    "OPENWA_HOME": "{home}/openwa",
    "OPENWA_REPOSITORY": "file://{top}/releases.git",
    "NODE": "{top}/sim-node",
    "ENGINE_READ_PATHS": node_settings(Path(sys.executable))["ENGINE_READ_PATHS"],
}

WORLDS: dict[str, World] = {
    "openwa_manager/docs/builds.md": World(
        prepare=write_releases,
        begin=install_former,
        settings=BUILDS,
        is_slow=True,
        sessions=["user_1_session_a", "user_1_session_b"],
    ),
    "openwa_manager/docs/design.md": NOTHING_RUNS,
    "openwa_manager/docs/openwa.md": NOTHING_RUNS,
    "openwa_manager/docs/security.md": NOTHING_RUNS,
}
PENDING: dict[str, str] = {
    "openwa_manager/docs/install.md": "not yet written by the contract",
    "launchd/README.md": "not yet written by the contract",
    "systemd/README.md": "not yet written by the contract",
}
