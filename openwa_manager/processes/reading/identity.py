"""Reads the identity of a process, and tells whether that very process lives."""

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil

from openwa_manager.domain.session.session import LAUNCH_ID_VARIABLE, Identity, LaunchId
from openwa_manager.host.system_library import system_values
from openwa_manager.processes.reading import procfs
from openwa_manager.processes.reading.darwin.libproc import Libproc, system_libproc


@cache
def boot_id() -> str:
    """Return the name of this boot of the host; under another one no recorded process lives."""
    if sys.platform == "linux":
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    elif sys.platform == "darwin":  # pragma: no cover (macOS)  # noqa: RET505 mypy understands only this form
        return system_values().text("kern.bootsessionuuid")  # drawn at each boot
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
    """Return the environment the process was started with; empty when it is dead or not ours to read.

    macOS tells nobody the environment of its own programs (/bin/sh, /bin/sleep) and of Google Chrome.
    """
    if sys.platform == "linux":
        content = procfs.read(f"/proc/{identity.pid}/environ") or b""
        environment = environment_in(content)
    elif sys.platform == "darwin":  # pragma: no cover (macOS)
        environment = environment_by_libproc(system_libproc(), identity.pid)
    else:  # pragma: no cover (other systems)
        environment = {}
        with suppress(psutil.Error):
            environment = psutil.Process(identity.pid).environ()
    return environment if is_alive(identity) else {}


def environment_in_launch(launch_id: LaunchId, processes: Iterable[Identity]) -> Mapping[str, str]:
    """Return the first of these processes' environments that names this launch; empty when none does.

    An engine that is a shell hides its own on macOS, and hands it on to what it starts.
    """
    environments = map(environment_of, processes)
    return next((each for each in environments if each.get(LAUNCH_ID_VARIABLE) == launch_id), {})


def _start_and_death_of(pid: int) -> tuple[int, bool] | None:
    """Return when the process was started, in the system's own unit, and whether it is dead."""
    if sys.platform == "linux":
        stat = procfs.read_stat(pid)
        return None if stat is None else (stat.started, stat.is_dead)
    elif sys.platform == "darwin":  # pragma: no cover (macOS)  # noqa: RET505 mypy understands only this form
        return start_and_death_by_libproc(system_libproc(), pid)
    else:  # pragma: no cover (other systems)
        return start_and_death_by_psutil(pid)


def environment_in(entries: bytes) -> dict[str, str]:
    """Return the environment that stands in these entries, each ended by a NUL."""
    named = (os.fsdecode(entry).partition("=") for entry in entries.split(b"\0") if entry)
    return {name: value for name, _, value in named}


def environment_by_libproc(libproc: Libproc, pid: int) -> dict[str, str]:
    """Return the environment that a process was started with, as macOS tells it."""
    strings = libproc.strings(pid)
    return {} if strings is None else environment_in(strings.environment)


def start_and_death_by_libproc(libproc: Libproc, pid: int) -> tuple[int, bool] | None:
    """Return start (microseconds since the epoch) and death of a process, as macOS tells it."""
    info = libproc.bsd_info(pid)
    return None if info is None else (info.started, info.is_dead)


def start_and_death_by_psutil(pid: int) -> tuple[int, bool] | None:
    """Return start (microseconds since the epoch) and death of a process, for systems with neither way of ours."""
    try:
        process = psutil.Process(pid)
        return round(process.create_time() * 1e6), process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return None
