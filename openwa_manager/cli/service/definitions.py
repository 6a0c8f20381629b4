"""The unit and the property list, as they ship and fitted to this installation."""

import re
import sys
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Final

from openwa_manager.domain.values import dataclass
from openwa_manager.host.notify import LAUNCHD_LABEL

UNIT_NAME: Final = "openwa-manager.service"
LABEL: Final = LAUNCHD_LABEL
PLIST_NAME: Final = f"{LABEL}.plist"

#: What stands in the files as they ship.
_PROGRAM = "/opt/openwa-manager/bin/openwa-manager"
_HOME = "/opt/openwa"
_FOLDERS = {UNIT_NAME: "systemd", PLIST_NAME: "launchd"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """One installed service: the words that run the program, its home, whose it is.

    `run_as` None means a service of the caller's own, which finds programs on `search_path` and has no sandbox.
    `numbers` are the uid and the gid of a user that is made with it.
    """

    program: Sequence[str]
    home: Path
    run_as: str | None
    search_path: str
    numbers: tuple[int, int] | None = None


def shipped(name: str) -> str:
    """Return a file as it ships: inside the package when installed, at the top of the source tree otherwise."""
    packaged = resources.files("openwa_manager") / "data" / name
    if packaged.is_file():
        return packaged.read_text("utf-8")
    return (Path(__file__).parents[3] / _FOLDERS[name] / name).read_text("utf-8")


def program_here() -> tuple[str, ...]:
    """Return the words that run this very installation."""
    script = Path(sys.executable).with_name("openwa-manager")
    return (str(script),) if script.is_file() else (sys.executable, "-m", "openwa_manager")


def unit_of(installation: Installation) -> str:
    """Return the systemd unit of an installation."""
    lines = shipped(UNIT_NAME).splitlines()
    home, own_home = _word(str(installation.home)), variable("OPENWA_MANAGER_HOME", installation.home)
    changes = {
        f"ExecStart={_PROGRAM} serve": f"ExecStart={_command(installation.program)} serve",
        f"Environment=OPENWA_MANAGER_HOME={_HOME}": f"Environment={own_home}",
    }
    if installation.run_as is not None:
        changes |= {
            "User=openwa": f"User={installation.run_as}",
            f"ReadWritePaths={_HOME} /tmp /var/tmp": f"ReadWritePaths={home} /tmp /var/tmp",
            f"RequiresMountsFor={_HOME}": f"RequiresMountsFor={home}",
        }
    else:
        lines = _without_sandbox(lines)
        search_path = variable("PATH", installation.search_path)
        changes |= {
            "Environment=PATH=/usr/local/bin:/usr/bin:/bin": f"Environment={search_path}",
            "WantedBy=multi-user.target": "WantedBy=default.target",
        }
    return "\n".join(_changed(lines, changes)) + "\n"


def job_of(installation: Installation) -> bytes:
    """Return the launchd property list of an installation."""
    import plistlib

    job = plistlib.loads(shipped(PLIST_NAME).encode())
    log = str(installation.home / "logs" / "manager.log")
    job |= {
        "ProgramArguments": [*installation.program, "serve"],
        "WorkingDirectory": str(installation.home),
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }
    job["EnvironmentVariables"]["OPENWA_MANAGER_HOME"] = str(installation.home)
    if installation.run_as is not None:
        job["UserName"] = installation.run_as
        job["EnvironmentVariables"]["HOME"] = str(installation.home)
    else:
        del job["UserName"], job["EnvironmentVariables"]["HOME"]
        job["EnvironmentVariables"]["PATH"] = installation.search_path
    return plistlib.dumps(job, sort_keys=False)


#: What a user's own systemd cannot or need not do: other users, the network's target, the sandbox.
_SYSTEM_ONLY = ("User=", "EnvironmentFile=", "Wants=", "After=", "RequiresMountsFor=", "# Secrets", "# Not before")


def _without_sandbox(lines: Sequence[str]) -> list[str]:
    begin = next(index for index, line in enumerate(lines) if line.startswith("# Hardening"))
    end = lines.index("[Install]")
    return [line for line in (*lines[:begin], *lines[end:]) if not line.startswith(_SYSTEM_ONLY)]


def _changed(lines: Sequence[str], changes: Mapping[str, str]) -> list[str]:
    missing = changes.keys() - set(lines)
    if missing:
        raise LookupError(f"the unit as it ships has no line {sorted(missing)}")
    return [changes.get(line, line) for line in lines]


def _command(words: Sequence[str]) -> str:
    return " ".join(_word(word).replace("$", "$$") for word in words)


def variable(name: str, value: object) -> str:
    """Return a variable as `Environment=` of a unit has it."""
    return _word(f"{name}={value}")


def _word(text: str) -> str:
    """Return text as one word of a unit (systemd.syntax(7), systemd.unit(5) for `%`)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
    return f'"{escaped}"' if re.search(r"[\s\"'\\]", text) else escaped
