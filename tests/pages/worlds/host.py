"""The host: how the daemon gets there, and what its owner does."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from openwa_manager.domain.delivery.events import Json
from openwa_manager.simulator.whatsapp.credentials import AuthDirectory, account_of
from openwa_manager.store.backup.copies import write_copy
from tests.e2e.builds.trees import commit_to, node_settings, write_built, write_node, write_source
from tests.e2e.peers.daemon import eventually
from tests.pages.world import NOTHING_RUNS, SUDO, SYSTEMCTL, Place, World
from tests.source import ROOT


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
SHIMS = {"sudo": SUDO, "systemctl": SYSTEMCTL, "install": INSTALL, "chown": "#!/bin/bash\n[[ -e ${@: -1} ]]\n"}


def keep_copy(place: Place) -> None:
    """Make the copy of the registry that the daemon makes every hour."""
    home = place.home / ".openwa-manager"
    with closing(sqlite3.connect(home / "manager.db")) as registry:
        write_copy(registry, home / "copies" / "manager-1790000000.db")


def write_unit(top: Path) -> None:
    """Have a unit that can be removed."""
    unit = top / "home" / ".config" / "systemd" / "user" / "openwa-manager.service"
    unit.parent.mkdir(parents=True)
    unit.touch()


def link_of(place: Place) -> bytes:
    """Return what a scan makes anew: the number of the linked device."""
    (file,) = (place.home / ".openwa-manager" / "sessions" / "user_1_session_a").glob("data/baileys/*/creds.json")
    return str(json.loads(file.read_bytes())["registrationId"]).encode()


def note_link(place: Place) -> None:
    """Keep how the session is linked."""
    (place.top / "link").write_bytes(link_of(place))


def expect_same_link(place: Place) -> None:
    """Fail unless the session connects by the link it had, in the home that was unpacked."""
    expect_connected(place)
    assert link_of(place) == (place.top / "link").read_bytes()
    assert (place.home / ".openwa-manager.empty").is_dir()


def show(place: Place, session_id: str) -> dict[str, Json]:
    """Return what `show` says of a session."""
    argv = [str(place.top / "bin" / "openwa-manager"), "show", session_id, "--json"]
    shown = json.loads(subprocess.run(argv, env=place.environ, check=True, timeout=30, stdout=subprocess.PIPE).stdout)
    assert isinstance(shown, dict)
    return shown


def expect_connected(place: Place) -> None:
    """Fail unless the session of the page becomes connected."""
    eventually(lambda: show(place, "user_1_session_a")["status"] == "connected", every_s=0.1)


#: Runs the unit that `service install --user` has written, as its lines say.
RUN_UNIT = """\
#!/bin/bash
[[ $1 = --user ]] && shift
unit=$HOME/.config/systemd/user/openwa-manager.service
begin() {
    mapfile -t variables < <(sed -n 's/^Environment=//p' "$unit")
    read -ra argv < <(sed -n 's/^ExecStart=//p' "$unit")
    env "${variables[@]}" "${argv[@]}" > "$HOME/serve.log" 2>&1 < /dev/null &
    echo $! > "$TMPDIR/serve.pid"
    for _ in $(seq 400); do
        curl -sf "http://$OPENWA_MANAGER_LISTEN/readyz" > /dev/null && return 0
        sleep 0.05
    done
    cat "$HOME/serve.log" >&2
    return 1
}
case "$*" in
daemon-reload) ;;
"enable --now openwa-manager.service") begin ;;
"restart openwa-manager")
    pid=$(cat "$TMPDIR/serve.pid")
    kill "$pid"
    while kill -0 "$pid" 2> /dev/null; do sleep 0.05; done
    begin ;;
*) echo "systemctl: what is $*?" >&2; exit 1 ;;
esac
"""


def write_checkout(top: Path) -> None:
    """Have a fresh copy of the sources, and somewhere that OpenWA comes from."""
    ignored = shutil.ignore_patterns(".*", "tests", "__pycache__")
    shutil.copytree(ROOT, top / "work", ignore=ignored)
    write_releases(top)
    shutil.rmtree(top / "home" / "openwa", ignore_errors=True)


def write_old_links(top: Path) -> None:
    """Have an OpenWA of former times, with one session that is linked."""
    AuthDirectory(top / "old" / "data" / "baileys", "shop-hk").link()


def expect_old_number(place: Place) -> None:
    """Fail unless the session runs by the keys of the old one: nobody has scanned anything."""
    shown = show(place, "user_1_session_shop_hk")
    assert (shown["status"], shown["phone_number"]) == ("connected", account_of("shop-hk").phone), shown


WORLDS: dict[str, World] = {
    "openwa_manager/docs/install.md": World(
        runs_daemon=False,
        asks_registry=True,
        settings={name: value for name, value in BUILDS.items() if name != "OPENWA_HOME"},
        replaced={
            "/opt/openwa-manager": "{top}/opt/openwa-manager",
            "/opt/openwa": "{home}/.openwa-manager",
            "/usr/local/bin": "{top}/bin",
            "service install": "service install --user",
        },
        shims={"sudo": SUDO, "install": INSTALL, "systemctl": RUN_UNIT},
        environ={"OPENWA_MANAGER_HOME": "{home}/.openwa-manager"},
        prepare=write_checkout,
    ),
    "openwa_manager/docs/move-in.md": World(
        engine_env={"SIM_QR_DELAY_S": "0.05"},
        settings={"PUBLIC_URL": "https://wa.example.com"},
        replaced={**SERVICE, "/srv/openwa": "{top}/old"},
        shims=SHIMS,
        environ={"OPENWA_MANAGER_HOME": "{home}/.openwa-manager"},
        prepare=write_old_links,
        judge=expect_old_number,
    ),
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
    "openwa_manager/docs/performance.md": NOTHING_RUNS,
    "openwa_manager/docs/operations.md": World(
        sessions=["user_1_session_a"],
        replaced={**SERVICE, "service uninstall": "service uninstall --user"},
        shims={**SHIMS, "scp": "#!/bin/bash\n[[ -s $1 && $2 = new-host: ]]\n"},
        environ={"OPENWA_MANAGER_HOME": "{home}/.openwa-manager"},
        prepare=write_unit,
        begin=note_link,
        judge=expect_same_link,
    ),
    "openwa_manager/docs/security.md": NOTHING_RUNS,
    "launchd/README.md": NOTHING_RUNS,
    "systemd/README.md": NOTHING_RUNS,
}
PENDING: dict[str, str] = {}
