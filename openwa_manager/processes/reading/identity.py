"""Reads the identity of a process, and tells whether that very process lives."""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil

from openwa_manager.domain.session.session import Identity
from openwa_manager.processes.reading import darwin, procfs


@cache
def boot_id() -> str:
    """Return the name of this boot of the host; under another one no recorded process lives."""
    if sys.platform == "linux":
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    elif sys.platform == "darwin":  # pragma: no cover (macOS)  # noqa: RET505 mypy understands only this form
        return darwin.boot_session()
    else:  # pragma: no cover (other systems)
        return f"{psutil.boot_time():.0f}"


def identity_of(pid: int) -> Identity | None:
    """Return the identity of the process, even of a zombie; None when there is none."""
    seen = _start_and_death_of(pid)
    return None if seen is None else Identity(boot_id=boot_id(), pid=pid, started=seen[0])


def live_identity_of(pid: int) -> Identity | None:
    """Return the identity of the live process; None when there is none or only a zombie."""
    seen = _start_and_death_of(pid)
    return None if seen is None or seen[1] else Identity(boot_id=boot_id(), pid=pid, started=seen[0])


def is_alive(identity: Identity) -> bool:
    """Tell whether this very process lives; a zombie is dead."""
    return live_identity_of(identity.pid) == identity


def environment_of(identity: Identity) -> Mapping[str, str]:
    """Return the environment the process was started with; empty when it is dead or not ours to read."""
    if sys.platform == "linux":
        content = procfs.read(f"/proc/{identity.pid}/environ") or b""
        entries = (os.fsdecode(entry).partition("=") for entry in content.split(b"\0") if entry)
        environment = {name: value for name, _, value in entries}
    else:  # pragma: no cover (macOS and others)
        environment = {}
        with suppress(psutil.Error):
            environment = psutil.Process(identity.pid).environ()
    return environment if is_alive(identity) else {}


def _start_and_death_of(pid: int) -> tuple[int, bool] | None:
    """Return when the process was started, in the system's own unit, and whether it is dead."""
    if sys.platform == "linux":
        stat = procfs.read_stat(pid)
        return None if stat is None else (stat.started, stat.is_dead)
    elif sys.platform == "darwin":  # pragma: no cover (macOS)  # noqa: RET505 mypy understands only this form
        return darwin.read_process_info(pid)
    else:  # pragma: no cover (other systems)
        return start_and_death_by_psutil(pid)


def start_and_death_by_psutil(pid: int) -> tuple[int, bool] | None:
    """Return start (microseconds since the epoch) and death of a process, for systems with neither way of ours."""
    try:
        process = psutil.Process(pid)
        return round(process.create_time() * 1e6), process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return None
