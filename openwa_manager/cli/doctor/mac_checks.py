"""The doctor's checks of a Mac: that it stays awake and comes up by itself, and that nobody copies the sessions."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from openwa_manager.cli.service.mac_exclusions import UNINDEXED
from openwa_manager.domain.diagnosis.findings import Finding

_SETTING = re.compile(r"^\s+(\S.*?)\s+(\S+)(?:\s+\(.*)?$")
_ON_AC = "AC Power:"


def power_settings(pmset: str) -> Mapping[str, str]:
    """Return the settings in what `pmset -g custom` prints, those on mains where it tells several."""
    sections: dict[str, dict[str, str]] = {}
    section = sections.setdefault("", {})
    for line in pmset.splitlines():
        found = _SETTING.match(line)
        if found:
            section[found[1]] = found[2]
        elif line.strip().endswith(":"):
            section = sections.setdefault(line.strip(), {})
    return sections.get(_ON_AC) or next(filter(None, sections.values()), {})


def check_sleep(settings: Mapping[str, str]) -> Finding:
    """Check that this Mac does not sleep by itself."""
    minutes = settings.get("sleep")
    if minutes is None:
        return Finding("sleep", "warn", "pmset does not tell", "see that this Mac never sleeps: pmset -g")
    if minutes == "0":
        return Finding("sleep", "ok", "never by itself")
    return Finding("sleep", "warn", f"after {minutes} minutes: no messages then", "sudo pmset -a sleep 0 disksleep 0")


def check_restart(settings: Mapping[str, str]) -> Finding:
    """Check that this Mac starts again when power comes back."""
    is_on = settings.get("autorestart")
    if is_on is None:
        detail = "this Mac has no such setting" if settings else "pmset does not tell"
        advice = "see that it starts after a power cut: Energy in System Settings"
        return Finding("power_cut", "warn", detail, advice)
    if is_on != "0":
        return Finding("power_cut", "ok", "starts again by itself")
    return Finding("power_cut", "warn", "stays off when power comes back", "sudo pmset -a autorestart 1")


def check_filevault(fdesetup: str) -> Finding:
    """Check in the output of `fdesetup status` whether this Mac comes up unattended."""
    if "FileVault is On" not in fdesetup:
        return Finding("filevault", "ok", "off: this Mac comes up by itself")
    advice = "turn it off on a Mac that serves, or expect to type the password (sudo fdesetup authrestart for updates)"
    return Finding("filevault", "warn", "on: after a power cut nothing starts until somebody logs in", advice)


def check_index(sessions: Path) -> Finding:
    """Check that Spotlight passes over the sessions."""
    marker = sessions / UNINDEXED
    with suppress(OSError):
        if marker.exists():
            return Finding("spotlight", "ok", "passes over the sessions")
    return Finding(
        "spotlight", "warn", f"may index the credentials in {sessions}", f"sudo touch {shlex.quote(str(marker))}"
    )


def check_backup(tmutil: str, sessions: Path) -> Finding:
    """Check in the output of `tmutil isexcluded` that Time Machine passes over the sessions.

    A copy of credentials that is put back is worse than none: WhatsApp sees old keys and logs the account out.
    """
    if "[Excluded]" in tmutil:
        return Finding("time_machine", "ok", "passes over the sessions")
    detail = f"copies the sessions' credentials in {sessions}" if "[Included]" in tmutil else "tmutil does not tell"
    return Finding("time_machine", "warn", detail, f"sudo tmutil addexclusion -p {shlex.quote(str(sessions))}")


def mac_findings() -> Iterator[Finding]:  # pragma: no cover (macOS)
    """Yield what is known of this Mac without any setting."""
    settings = power_settings(_output_of("pmset", "-g", "custom"))
    yield check_sleep(settings)
    yield check_restart(settings)
    yield check_filevault(_output_of("fdesetup", "status"))


def sessions_findings(sessions: Path) -> Iterator[Finding]:  # pragma: no cover (macOS)
    """Yield who copies the sessions; nothing while there are none."""
    if sessions.exists():
        yield check_index(sessions)
        yield check_backup(_output_of("tmutil", "isexcluded", str(sessions)), sessions)


def _output_of(*argv: str) -> str:  # pragma: no cover (macOS)
    if shutil.which(argv[0]) is None:
        return ""
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout  # noqa: S603 (our own argv)
