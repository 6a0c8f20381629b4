"""The doctor's checks of the host: Python, limits, memory, disk, isolation."""

import resource
import sys
from collections.abc import Iterator
from pathlib import Path

from openwa_manager.cli.doctor.interpreters import python_findings
from openwa_manager.cli.doctor.mac_checks import mac_findings
from openwa_manager.cli.terminal.output import megabytes
from openwa_manager.domain.diagnosis.findings import Finding
from openwa_manager.domain.diagnosis.table import found
from openwa_manager.domain.isolation import Isolation
from openwa_manager.host import capacity
from openwa_manager.host.home import file_limits, files_per_process
from openwa_manager.processes.confinement.support import Support
from openwa_manager.services.diagnosis.clock import check_clock, clock_state

_PYTHON_OLDEST = (3, 11)
#: One recursive watch takes a watch per directory; an engine makes some twenty.
_WATCHES_WANTED = 65_536
#: The daemon alone needs about five per session.
_FILES_WANTED = 4096


def check_python(version: tuple[int, ...]) -> Finding:
    """Check that this Python is new enough."""
    shown = ".".join(map(str, version))
    if version[:2] >= _PYTHON_OLDEST:
        return Finding("python", "ok", shown)
    return Finding("python", "fail", f"{shown} is too old", "install Python 3.11 or later and this package into it")


def check_open_files(hard: int) -> Finding:
    """Check the hard limit of open files, or what the system gives one process, which is less on macOS."""
    if hard == resource.RLIM_INFINITY or hard >= _FILES_WANTED:
        return Finding("open_files", "ok", "unlimited" if hard == resource.RLIM_INFINITY else f"up to {hard}")
    advice = "raise it: LimitNOFILE= in the unit, ulimit -Hn in the shell; on a Mac sudo launchctl limit maxfiles"
    return Finding("open_files", "warn", f"only {hard} allowed", advice)


def check_inotify(proc: Path = Path("/proc/sys/fs/inotify")) -> Finding:
    """Check that the kernel allows enough watches to see QR files at once (Linux)."""
    try:
        watches, instances = (int((proc / f"max_user_{name}").read_text("ascii")) for name in ("watches", "instances"))
    except OSError as error:
        return Finding("inotify", "warn", f"not readable: {error}", "QR files may be found by scanning, a second later")
    shown = f"{watches} watches, {instances} instances per user"
    if watches >= _WATCHES_WANTED:
        return Finding("inotify", "ok", shown)
    advice = f"sysctl -w fs.inotify.max_user_watches={_WATCHES_WANTED * 8}, and the same in /etc/sysctl.d/"
    return Finding("inotify", "warn", shown, advice)


def check_memory(free_bytes: int, min_free_bytes: int, pressure: int | None = None) -> Finding:
    """Check that an engine may start; `pressure` is how short of memory the system says it is, if it does."""
    wanted_bytes = capacity.memory_floor_bytes(min_free_bytes, pressure)
    if wanted_bytes is None:
        detail = f"the system says that it is short (pressure level {pressure}): no engine would start"
        return Finding("memory", "fail", detail, "end something, or add memory")
    return _room("memory", free_bytes, wanted_bytes, "end something, add memory, or lower min_free_memory_bytes")


def check_disk(path: Path, wanted_bytes: int) -> Finding:
    """Check that an engine may start on the disk that holds `path`, which need not exist yet."""
    existing = next(place for place in (path, *path.parents) if place.exists())
    free_bytes = capacity.free_disk_bytes(existing)
    return _room("disk", free_bytes, wanted_bytes, "make room, or lower min_free_disk_bytes")


def _room(name: str, free_bytes: int, wanted_bytes: int, advice: str) -> Finding:
    shown = f"{megabytes(free_bytes)} free, {megabytes(wanted_bytes)} are kept free"
    if free_bytes >= wanted_bytes:
        return Finding(name, "ok", shown)
    return Finding(name, "fail", f"{shown}: no engine would start", advice)


def check_isolation(isolation: Isolation, support: Support) -> Finding:
    """Check whether engines can be kept apart here, and are."""
    if not support.is_possible:
        detail = f"{support.what}: engines of one daemon trust each other"
        return Finding("isolation", "warn", detail, "a newer kernel, or a daemon with a user of its own for each group")
    if isolation is Isolation.NONE:
        detail = f"off, though {support.what} could: engines of one daemon trust each other"
        return Finding(
            "isolation",
            "warn",
            detail,
            "engine_isolation = kernel asks for it; openwa-manager help security tells what it does",
        )
    if support.gaps:
        detail = f"{support.what}; engines can still {', '.join(support.gaps)}"
        return Finding("isolation", "warn", detail, "a newer kernel closes that")
    return Finding("isolation", "ok", support.what)


def host_findings() -> Iterator[Finding]:
    """Yield what is known without any setting."""
    yield check_python(sys.version_info[:3])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    yield check_open_files(file_limits(hard, files_per_process(hard))[0])
    yield from python_findings()
    if sys.platform == "linux":
        yield check_clock(clock_state())
        yield check_inotify()
        yield from sleep_findings()
    elif sys.platform == "darwin":  # pragma: no cover (macOS)
        yield from mac_findings()


def sleep_findings(
    power: Path = Path("/sys/power/state"),
    lids: Path = Path("/proc/acpi/button/lid"),
    masked: Path = Path("/etc/systemd/system/sleep.target"),
) -> Iterator[Finding]:
    """Yield whether this host may sleep by itself: one with a lid, unless sleep is masked (Linux)."""
    try:
        can_sleep = "mem" in power.read_text("ascii").split()
    except (OSError, UnicodeDecodeError):
        return
    if not can_sleep or not lids.is_dir():
        yield found("sleep_off", detail="nothing here sends it to sleep")
    elif masked.is_symlink() and masked.readlink() == Path("/dev/null"):
        yield found("sleep_off", detail="sleep is masked")
    else:
        yield found("sleep_on", detail="it has a lid, and no messages leave while it sleeps")
