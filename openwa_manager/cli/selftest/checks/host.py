"""The system itself: its version, its limits, its clocks, and how it counts memory."""

import mmap
import os
import platform
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from openwa_manager.cli.selftest.facts import Facts, error_name, outcome_of
from openwa_manager.host.capacity import free_memory_bytes, pressure_level
from openwa_manager.host.clock import SystemClock
from openwa_manager.host.home import files_per_process, raise_file_limit
from openwa_manager.processes.reading.darwin.libproc import system_libproc
from openwa_manager.processes.reading.table import processes_by_psutil
from openwa_manager.store.backup.read_only import SQLITE_VERSION

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

_PACKAGES = ("openwa-manager", "psutil", "watchfiles", "aiohttp")
_LIMITS = ("NOFILE", "NPROC", "AS", "DATA", "RSS", "STACK", "CORE", "FSIZE", "MEMLOCK")
_SYSCTLS_OF_VERSION = ("kern.osversion", "kern.osproductversion", "kern.hv_vmm_present", "hw.model", "hw.memsize")
_SYSCTLS_OF_LIMITS = (
    "kern.maxfiles",
    "kern.maxfilesperproc",
    "kern.maxproc",
    "kern.maxprocperuid",
    "kern.num_files",
    "kern.ipc.somaxconn",
)
_SYSCTLS_OF_MEMORY = ("kern.memorystatus_vm_pressure_level", "kern.memorystatus_level", "vm.compressor_mode")
_FILES_OF_LIMITS = ("fs/file-max", "fs/nr_open", "kernel/pid_max", "fs/inotify/max_user_watches")
#: macOS refuses soft limits above this one, or above kern.maxfilesperproc (Libc, sys/setrlimit.c; sys/syslimits.h).
_OPEN_MAX = 10_240
_FILES_TRIED = 20_000
_TOUCHED_BYTES = 64 << 20
_READINGS = 20_000
_CLOCKS = ("CLOCK_MONOTONIC", "CLOCK_MONOTONIC_RAW", "CLOCK_UPTIME_RAW", "CLOCK_BOOTTIME")


def system(_place: Path) -> Iterator[Facts]:
    """Note which system, Python and packages these are."""
    yield {
        "os_version": platform.mac_ver()[0] or plain_version(platform.release()),
        "kernel_version": plain_version(platform.release()),
        "machine": platform.machine(),
        "cpu_count": os.cpu_count(),
        "is_root": os.geteuid() == 0,
        "python": platform.python_version(),
        "python_kind": kind_of(Path(sys.executable).resolve()),
        "sqlite": ".".join(map(str, SQLITE_VERSION)),
        "packages": {name: _version_of(name) for name in _PACKAGES},
    }
    yield _sysctls(_SYSCTLS_OF_VERSION)


def plain_version(release: str) -> str:
    """Return the numbers at its beginning: what follows may be a name that somebody gave to his kernel."""
    found = re.match(r"\d+(\.\d+)*", release)
    return found[0] if found else ""


def kind_of(python: Path) -> str:
    """Tell by its path where Python comes from, without naming the path."""
    signs = {"Cellar": "homebrew", "Python.framework": "framework", "hostedtoolcache": "ci"}
    found = [kind for sign, kind in signs.items() if sign in python.parts]
    return found[0] if found else "system" if python.is_relative_to("/usr/bin") else "other"


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _sysctls(names: Sequence[str]) -> Facts:
    """Return what sysctl(8) says, where it is macOS's."""
    if sys.platform == "darwin":  # pragma: no cover (macOS)
        return {"sysctl": {name: _sysctl(name) for name in names}}
    else:  # noqa: RET505 mypy understands only this form
        return {}


def _sysctl(name: str) -> str | None:  # pragma: no cover (macOS)
    argv = ("/usr/sbin/sysctl", "-n", name)
    told = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=2)  # noqa: S603 (our own argv)
    return told.stdout.strip() or None


def limits(_place: Path) -> Iterator[Facts]:
    """Note what may be used of everything; None means unlimited."""
    numbers = {name: getattr(resource, f"RLIMIT_{name}", None) for name in _LIMITS}
    yield {
        "rlimits": {
            name: [_limit(each) for each in resource.getrlimit(number)]
            for name, number in numbers.items()
            if number is not None
        }
    }
    yield _sysctls(_SYSCTLS_OF_LIMITS)
    files = {name: Path("/proc/sys", name) for name in _FILES_OF_LIMITS}
    yield {"proc_sys": {name: int(path.read_text("ascii")) for name, path in files.items() if path.exists()}}


def _limit(value: int) -> int | None:
    """Return a limit; None means unlimited."""
    return None if value == resource.RLIM_INFINITY else value


def open_files(_place: Path) -> Iterator[Facts]:
    """Find out which limits of open files can be set, what our own raise comes to, and whether they can be opened."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield {"soft_before": _limit(before), "hard": _limit(hard), "files_per_process": _limit(files_per_process(hard))}
    tried = {"unlimited": resource.RLIM_INFINITY, "hard": hard, "open_max": _OPEN_MAX, "open_max_plus_1": _OPEN_MAX + 1}
    outcomes: dict[str, Json] = {}
    for name, soft in tried.items():
        outcome = outcome_of(lambda soft=soft: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)))  # type: ignore[misc]
        outcomes[name] = [outcome, _limit(resource.getrlimit(resource.RLIMIT_NOFILE)[0])]
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))
    yield {"set": outcomes}
    yield {"raise_file_limit": outcome_of(raise_file_limit)}
    yield {"soft_after": _limit(resource.getrlimit(resource.RLIMIT_NOFILE)[0])}
    yield _opened_beyond(_FILES_TRIED)


def _opened_beyond(count: int) -> Facts:
    """Open that many files, and tell how many could be opened and what the last one met."""
    opened = 0
    with ExitStack() as closed:
        null = os.open(os.devnull, os.O_RDONLY)
        closed.callback(os.close, null)
        for _ in range(count):
            try:
                closed.callback(os.close, os.dup(null))
            except OSError as error:
                return {"opened_count": opened, "then": error_name(error)}
            opened += 1
    return {"opened_count": opened, "then": "ok"}


def clocks(_place: Path) -> Iterator[Facts]:
    """Compare the clocks: by how much they are apart is the sleep that one of them has counted since boot."""
    info = time.get_clock_info("monotonic")
    yield {"monotonic_implementation": info.implementation, "monotonic_resolution_s": info.resolution}
    numbers = {name: getattr(time, name) for name in _CLOCKS if hasattr(time, name)}
    boot_s, monotonic_s = SystemClock().now().boot_s, time.monotonic()
    yield {
        "our_boot_clock_ahead_of_monotonic_s": round(boot_s - monotonic_s, 3),
        "ahead_of_monotonic_s": {
            name: round(time.clock_gettime(number) - time.monotonic(), 3) for name, number in numbers.items()
        },
        "our_boot_clock_ahead_of_boot_time_s": _ahead_of_boot_time_s(boot_s),
        "has_slept": _has_slept(),
    }
    yield {"smallest_step_ns": {name: _smallest_step_ns(number) for name, number in numbers.items()}}


def _ahead_of_boot_time_s(boot_s: float) -> float | None:
    """Return how far our clock is from the time since the boot that the system notes; None where it notes none."""
    now_at, booted_at = SystemClock().now().at, _booted_at()
    return None if booted_at is None else round(boot_s - (now_at - booted_at), 1)


def _booted_at() -> float | None:
    """Return when this host was started, on the wall clock as it is now; None where the system does not tell."""
    if sys.platform == "darwin":  # pragma: no cover (macOS)
        return moment_of(_sysctl("kern.boottime"))
    else:  # noqa: RET505 mypy understands only this form
        lines = Path("/proc/stat").read_text("ascii").splitlines()
        return next((float(line.split()[1]) for line in lines if line.startswith("btime ")), None)


def _has_slept() -> bool | None:
    """Tell whether this host has slept since it was started; None where the system does not tell."""
    if sys.platform == "darwin":  # pragma: no cover (macOS)
        return bool(moment_of(_sysctl("kern.sleeptime")))
    else:  # noqa: RET505 mypy understands only this form
        return None


def moment_of(timeval: str | None) -> float | None:
    """Return the moment in sysctl's `{ sec = 1, usec = 500000 } Thu Jan …`; None when it says something else."""
    found = re.search(r"sec = (\d+), usec = (\d+)", timeval or "")
    return int(found[1]) + int(found[2]) / 1e6 if found else None


def _smallest_step_ns(number: int) -> int:
    """Return the smallest step in which this clock was seen to go on."""
    readings = [time.clock_gettime_ns(number) for _ in range(_READINGS)]
    return min(later - earlier for earlier, later in pairwise(readings) if later > earlier)


def memory(_place: Path) -> Iterator[Facts]:
    """Note what counts our memory before and after 64 MiB were written to."""
    yield {"free_bytes": free_memory_bytes(), "pressure_level": pressure_level(), "before": _own_memory()}
    yield _sysctls(_SYSCTLS_OF_MEMORY)
    with mmap.mmap(-1, _TOUCHED_BYTES) as block:
        for at in range(0, _TOUCHED_BYTES, mmap.PAGESIZE):
            block[at] = 1
        yield {"touched_bytes": _TOUCHED_BYTES, "page_bytes": mmap.PAGESIZE, "after": _own_memory()}


def _own_memory() -> Facts:
    by_psutil = next((each.rss_bytes for each in processes_by_psutil() if each.pid == os.getpid()), None)
    told: dict[str, Json] = {
        "psutil_rss_bytes": by_psutil,
        "ru_maxrss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }
    if sys.platform == "darwin":  # pragma: no cover (macOS)
        told["footprint_bytes"] = system_libproc().footprint_bytes(os.getpid())
    return told
