"""What the host has left for sessions, and whether it can be reached; asked by the daemon and by the command alike."""

import resource
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

from openwa_manager.domain.diagnosis.findings import Finding
from openwa_manager.domain.diagnosis.table import found
from openwa_manager.domain.values import dataclass
from openwa_manager.host import capacity
from openwa_manager.services.diagnosis.clock import check_clock, clock_state

#: What one session takes while none can be measured: OpenWA with baileys (docs/openwa.md), and its files.
SESSION_MEMORY_BYTES: Final = 250_000_000
SESSION_DISK_BYTES: Final = 50_000_000
#: Sockets and files that the daemon opens for one session.
FILES_PER_SESSION: Final = 5
#: Room for fewer is worth a warning.
_ROOM_WANTED: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Floors:
    """What must stay free on this host; `disk` is any path on the disk meant, which need not exist yet."""

    disk: Path
    memory_bytes: int
    disk_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """By which names the API is called from elsewhere, and whether it hears for whom a proxy asks."""

    is_loopback: bool
    names: Collection[str]
    knows_callers: bool


def host_findings(floors: Floors, reach: Reach, used_bytes: Sequence[int]) -> Sequence[Finding]:
    """Return how this host and the process that asks are; it looks at disks, so not on the event loop."""
    clock = [check_clock(clock_state())] if sys.platform == "linux" else []  # a Mac never tells
    return [room_finding(floors, used_bytes), descriptors_finding(), *clock, *reach_findings(reach)]


def room_finding(floors: Floors, used_bytes: Sequence[int]) -> Finding:
    """Return for how many more sessions there is room, as large as those are that run; `used_bytes` is their memory."""
    existing = next(place for place in (floors.disk, *floors.disk.parents) if place.exists())
    memory_floor = capacity.memory_floor_bytes(floors.memory_bytes, capacity.pressure_level())
    memory_bytes, disk_bytes = capacity.free_memory_bytes(), capacity.free_disk_bytes(existing)
    each_bytes = max(1, sum(used_bytes) // len(used_bytes)) if used_bytes else SESSION_MEMORY_BYTES
    by_memory = 0 if memory_floor is None else max(0, memory_bytes - memory_floor) // each_bytes
    by_disk = max(0, disk_bytes - floors.disk_bytes) // SESSION_DISK_BYTES
    return judge_room(by_memory, by_disk, each_bytes, is_measured=bool(used_bytes))


def judge_room(by_memory: int, by_disk: int, each_bytes: int, *, is_measured: bool) -> Finding:
    """Return what follows from how many more sessions memory and disk have room for."""
    count, source = min(by_memory, by_disk), "as measured" if is_measured else "as a rule"
    detail = (
        f"room for {count} more sessions: memory for {by_memory} ({each_bytes // 1_000_000} MB each, {source}), "
        f"disk for {by_disk}"
    )
    return found("room" if count >= _ROOM_WANTED else "room_short", detail=detail)


def descriptors_finding() -> Finding:
    """Return how many files this process may still open."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return judge_descriptors(len(list(Path("/dev/fd").iterdir())), None if soft == resource.RLIM_INFINITY else soft)


def judge_descriptors(open_count: int, limit: int | None) -> Finding:
    """Return what follows from how many files are open, and how many may be; None: any number."""
    if limit is None:
        return found("descriptors", detail=f"{open_count} files are open, any number may be")
    count = max(0, limit - open_count) // FILES_PER_SESSION
    detail = f"{open_count} of {limit} files are open: enough for {count} more sessions"
    return found("descriptors" if count >= _ROOM_WANTED else "descriptors_short", detail=detail)


def reach_findings(reach: Reach) -> Iterator[Finding]:
    """Yield whether a backend on another machine can call the API by its name."""
    served = ", ".join(sorted(reach.names)) or "the address it listens on"
    if reach.is_loopback and not reach.names:
        yield found("reach_local", detail="it listens on this machine only, and has no name outside")
    elif reach.is_loopback and not reach.knows_callers:
        yield found("reach_callers", detail=f"it serves {served}, and trusted_proxies is empty")
    else:
        yield found("reach", detail=f"serves {served}")
