"""Makes the daemon a service of this host, or ends that."""

import os
import pwd
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from openwa_manager.cli.client import Client
from openwa_manager.cli.command import Invocation
from openwa_manager.cli.commands.changes.changes import stop_all
from openwa_manager.cli.discovery import SocketDaemon, socket_of
from openwa_manager.cli.errors import FAILED, CommandFailedError, NotReachableError, UsageError
from openwa_manager.cli.service.definitions import Installation
from openwa_manager.cli.service.mac_account import MAC_USER, mac_account
from openwa_manager.cli.service.remarks import after_install, after_uninstall
from openwa_manager.cli.service.service_managers import Host, Launchd, Systemd
from openwa_manager.cli.service.steps import Action, below, perform
from openwa_manager.cli.terminal.output import IDS
from openwa_manager.cli.terminal.tables import Column, ColumnKind, Listing
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.host.home import Home
from openwa_manager.host.user_paths import expanded
from openwa_manager.processes.locks import SessionLocks

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

_SYSTEM_HOME = Path("/opt/openwa")
#: What the system's service cannot see (`ProtectHome=yes` in the unit).
_HIDDEN = (Path("/home"), Path("/root"), Path("/run/user"))
_STOP_S = 60.0
_END_ENGINES = "end every engine, so that none is left without its daemon"

_COLUMNS = (
    Column("STATE", 9),
    Column("RUNNING", 8, ColumnKind.STATUS),
    Column("PID", 6, ColumnKind.CODE),
    Column("VERSION", 7, ColumnKind.CODE),
    Column("INSTALLED", 4, ColumnKind.CODE),
    Column("DEFINED BY", 5),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSite:
    """The host and the caller: `program` runs this installation, paths lie below `root`.

    `interpreter` is the file of the Python that runs it, no link.
    """

    is_mac: bool
    uid: int
    program: tuple[str, ...]
    interpreter: Path
    root: Path = Path("/")


def run_service(invocation: Invocation, site: ServiceSite) -> int | None:
    """Do what `service install|uninstall|status` says; return the exit code, None for 0."""
    verbs = {"install": _install, "uninstall": _uninstall, "status": _status}
    return verbs[invocation.arguments.verb](invocation, site)


def _install(invocation: Invocation, site: ServiceSite) -> None:
    given, host = invocation.arguments, _host(invocation, site)
    run_as = _user_of(invocation, site)
    installation = Installation(
        program=site.program,
        home=_home(invocation),
        run_as=run_as,
        search_path=invocation.environ.get("PATH", os.defpath),
    )
    _check_reach(installation, site)
    if not given.dry_run:
        _require_root(invocation, site)
    making: Sequence[Action] = ()
    if site.is_mac and run_as == MAC_USER:
        account = mac_account(installation.home, invocation.environ)
        making = account.actions
        installation = replace(installation, numbers=(account.uid, account.gid))
    elif not given.dry_run:
        _require_user(run_as, site)
    actions = host.install(installation, is_upgrade=below(site.root, host.path).exists())
    _carry_out(invocation, site, [*making, *actions], after_install(is_mac=site.is_mac, is_own=given.user))


def _user_of(invocation: Invocation, site: ServiceSite) -> str | None:
    """Return as whom the service runs; None: as the caller."""
    given = invocation.arguments
    return None if given.user else given.run_as or _own_user(site)


def _own_user(site: ServiceSite) -> str:
    return MAC_USER if site.is_mac else "openwa"


def _uninstall(invocation: Invocation, site: ServiceSite) -> None:
    given, host = invocation.arguments, _host(invocation, site)
    if not below(site.root, host.path).exists():
        raise CommandFailedError(f"{host.path} is not there: nothing is installed")
    if not given.dry_run:
        _require_root(invocation, site)
        _end_engines(invocation, below(site.root, _home(invocation)))
    user = _user_of(invocation, site)
    made = user if user == _own_user(site) else None
    remarks = after_uninstall(_home(invocation), made, is_mac=site.is_mac)
    _carry_out(invocation, site, host.uninstall(), remarks, first=_END_ENGINES)


def _status(invocation: Invocation, site: ServiceSite) -> int | None:
    host = _host(invocation, site)
    is_installed = below(site.root, host.path).exists()
    state = host.state(invocation.environ)
    document: dict[str, Json] = {
        "installed": is_installed,
        "path": str(host.path),
        "running": state.is_running,
        "state": state.detail,
        "pid": state.pid,
        "version": _version(invocation),
    }
    if invocation.output.form == IDS:
        raise UsageError("a service has no id: -o table or -o json shows it")
    row = [document[name] for name in ("state", "running", "pid", "version", "installed", "path")]
    invocation.output.show_list(document, lambda: Listing(_COLUMNS, [row], ""))
    return None if state.is_running else FAILED


def _carry_out(
    invocation: Invocation,
    site: ServiceSite,
    actions: Sequence[Action],
    remarks: Sequence[str],
    first: str | None = None,
) -> None:
    is_dry = invocation.arguments.dry_run
    failed = [] if is_dry else perform(actions, site.root, invocation.environ)
    lines = [*([first] if first else []), *map(str, actions)]
    notes = [*failed, *remarks]
    document: dict[str, Json] = {"dry_run": is_dry, "actions": cast("Json", lines), "notes": cast("Json", notes)}
    invocation.output.show(document, lambda: "\n".join([*lines, *(f"Note: {note}" for note in notes)]))


def _end_engines(invocation: Invocation, home: Path) -> None:
    try:
        living = stop_all(_client(invocation), _STOP_S, until_start=True)
    except NotReachableError as error:
        living = _locked_sessions(home)
        if living:
            raise CommandFailedError(
                f"engines run without a daemon that could end them ({', '.join(living)}): start the service first"
            ) from error
    if living:
        raise CommandFailedError(f"still running after {_STOP_S:g} s: {', '.join(living)}; nothing was removed")


def _locked_sessions(home: Path) -> list[str]:
    """Return the sessions whose lock some process holds."""
    places = Home(root=home, sessions=home / "sessions")
    names = {path.stem for path in (*places.locks.glob("*"), *places.former_locks.glob("*.lock"))}
    locks = SessionLocks(places.locks, places.former_locks) if names else None
    return [name for name in sorted(names) if locks and locks.is_held(SessionId(name))]


def _version(invocation: Invocation) -> str | None:
    """Return the version of the daemon that answers; None when none does."""
    try:
        answer = _client(invocation).get("/v1/system")
    except (NotReachableError, CommandFailedError):
        return None
    return str(cast("Mapping[str, Json]", answer)["version"])


def _client(invocation: Invocation) -> Client:
    return invocation.client if invocation.arguments.url else Client(SocketDaemon(socket_of(_home(invocation))))


def _home(invocation: Invocation) -> Path:
    default = Path("~/.openwa-manager") if invocation.arguments.user else _SYSTEM_HOME
    return expanded(invocation.arguments.home or default).absolute()


def _host(invocation: Invocation, site: ServiceSite) -> Host:
    if not invocation.arguments.user:
        return Launchd(domain="system") if site.is_mac else Systemd(configuration=None)
    user_home = expanded("~")
    if site.is_mac:
        return Launchd(domain=f"gui/{site.uid}", library=user_home / "Library")
    return Systemd(configuration=Path(invocation.environ.get("XDG_CONFIG_HOME") or user_home / ".config"))


def _require_root(invocation: Invocation, site: ServiceSite) -> None:
    if not invocation.arguments.user and site.uid != 0:
        raise CommandFailedError(
            "a service of the whole host is root's to change: use sudo, or --user for one of your own"
        )


def _check_reach(installation: Installation, site: ServiceSite) -> None:
    """Refuse what the sandbox of the system's service hides, or on a Mac the home of another user.

    There it would not start, and launchd try for ever without a word in the log.
    """
    if installation.run_as is None:
        return
    needed = (Path(site.program[0]), installation.home)
    if site.is_mac:
        _check_homes((*needed, site.interpreter), installation.run_as)
        return
    hidden = [path for path in needed if any(path.is_relative_to(place) for place in _HIDDEN)]
    if hidden:
        raise CommandFailedError(
            f"{hidden[0]}: the service cannot see /home and /root; put the program into /opt/openwa-manager "
            "(openwa-manager help install) and the home into /opt/openwa, or use --user"
        )


def _check_homes(paths: Sequence[Path], run_as: str) -> None:
    closed = next((path for path in paths if _owner_of_place(path) not in (None, run_as)), None)
    if closed is not None:
        raise CommandFailedError(
            f"{closed}: {run_as} cannot enter the home of {_owner_of_place(closed)}; make the virtual environment in "
            "/opt/openwa-manager with a Python that is everybody's (openwa-manager help install), its home in "
            "/opt/openwa, or use --user"
        )


def _owner_of_place(path: Path) -> str | None:
    """Return in whose home on a Mac this path lies, which macOS closes to others (0750); None: in nobody's."""
    parts = path.parts
    is_in_home = parts[:2] == ("/", "Users") and len(parts) > 2
    return parts[2] if is_in_home and parts[2] != "Shared" else None


def _require_user(name: str | None, site: ServiceSite) -> None:
    if name is None:
        return
    try:
        pwd.getpwnam(name)
    except KeyError as error:
        linux = f"make one: useradd --system --home-dir {_SYSTEM_HOME} --shell /usr/sbin/nologin {name}"
        mac = f"without --run-as the user {MAC_USER} is made"
        raise CommandFailedError(f"there is no user {name}; {mac if site.is_mac else linux}") from error
