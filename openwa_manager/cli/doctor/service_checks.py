"""The doctor's check that the home is the user's as whom the installed service runs."""

import plistlib
import pwd
import shlex
from collections.abc import Iterator
from pathlib import Path
from xml.parsers.expat import ExpatError

from openwa_manager.cli.service.definitions import PLIST_NAME, UNIT_NAME, variable
from openwa_manager.domain.diagnosis.findings import Finding

_DEFINITIONS = (Path("/etc/systemd/system") / UNIT_NAME, Path("/Library/LaunchDaemons") / PLIST_NAME)


def service_findings(home: Path, definitions: tuple[Path, ...] = _DEFINITIONS) -> Iterator[Finding]:
    """Yield whether the service of this home can use it; nothing when none is installed for it.

    launchd says of a home that its user cannot enter only `EX_CONFIG`, before the daemon could say more.
    """
    for path in definitions:
        try:
            user = service_user(path.read_text("utf-8"), home)
        except (OSError, UnicodeDecodeError):
            continue
        if user is not None:
            yield check_service_home(home, user)


def service_user(definition: str, home: Path) -> str | None:
    """Return as whom the service of a unit or a property list runs; None: it is of another home, or the caller's."""
    if definition.lstrip().startswith("<"):
        try:
            job = plistlib.loads(definition.encode())
            is_of_home = job["EnvironmentVariables"]["OPENWA_MANAGER_HOME"] == str(home)
        except (plistlib.InvalidFileException, ExpatError, ValueError, LookupError, TypeError):
            return None
        return job.get("UserName") if is_of_home else None
    lines = definition.splitlines()
    is_of_home = f"Environment={variable('OPENWA_MANAGER_HOME', home)}" in lines
    return next((line.partition("=")[2] for line in lines if line.startswith("User=") and is_of_home), None)


def check_service_home(home: Path, user: str) -> Finding:
    """Check that the home is this user's."""
    try:
        uid = pwd.getpwnam(user).pw_uid
    except KeyError:
        return Finding("service", "fail", f"there is no user {user} for it", "openwa-manager service install")
    if not home.exists() or home.stat().st_uid == uid:
        return Finding("service", "ok", f"runs as {user}")
    return Finding(
        "service", "fail", f"{home} is not {user}'s: it cannot start", f"sudo chown -R {user}: {shlex.quote(str(home))}"
    )
