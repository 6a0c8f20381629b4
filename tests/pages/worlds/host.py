"""The host: how the daemon gets there, and what its owner does."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from openwa_manager.store.backup.copies import write_copy
from tests.e2e.builds.trees import commit_to, node_settings, write_built, write_node, write_source
from tests.pages.world import NOTHING_RUNS, SUDO, SYSTEMCTL, Place, World


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

#: Takes no owners: there is none but the user of the tests.
INSTALL = """\
#!/bin/bash
words=()
while [[ $# -gt 0 ]]; do
    case $1 in -o | -g) shift ;; *) words+=("$1") ;; esac
    shift
done
exec /usr/bin/install "${words[@]}"
"""
#: What pages call the places of a service, and where they are here.
SERVICE = {
    "/opt/openwa-manager/bin/python": sys.executable,
    "/opt/openwa-manager/bin/openwa-manager": "{top}/bin/openwa-manager",
    "/opt/openwa": "{home}/.openwa-manager",
    "/opt/openwa-backup": "{top}/opt/openwa-backup",
    "/var/backups/openwa": "{top}/backups",
}
SHIMS = {"sudo": SUDO, "systemctl": SYSTEMCTL, "install": INSTALL}


def keep_copy(place: Place) -> None:
    """Make the copy of the registry that the daemon makes every hour."""
    home = place.home / ".openwa-manager"
    with closing(sqlite3.connect(home / "manager.db")) as registry:
        write_copy(registry, home / "copies" / "manager-1790000000.db")


def expect_connected(place: Place) -> None:
    """Fail unless the session of the page goes on, linked as it was: no engine was started again."""
    argv = [str(place.top / "bin" / "openwa-manager"), "show", "user_1_session_a", "--json"]
    shown = json.loads(subprocess.run(argv, env=place.environ, check=True, timeout=30, stdout=subprocess.PIPE).stdout)
    assert shown["status"] == "connected", shown


WORLDS: dict[str, World] = {
    "examples/backup/README.md": World(
        sessions=["user_1_session_a"],
        replaced=SERVICE,
        shims=SHIMS,
        environ={"OPENWA_MANAGER_HOME": "{home}/.openwa-manager"},
        begin=keep_copy,
        judge=expect_connected,
    ),
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
