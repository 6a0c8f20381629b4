"""Tells whether the host has memory and disk for one more engine."""

from collections.abc import Callable
from pathlib import Path

from openwa_manager.domain.session.reasons import NotEnoughFree, ReasonCode, Resource, Words
from openwa_manager.domain.values import dataclass
from openwa_manager.host.capacity import free_disk_bytes, free_memory_bytes, memory_floor_bytes, pressure_level
from openwa_manager.services.starting.start_gate import Shortage


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCapacity:
    """Compares what is free on the host with what must stay free, in bytes; `disk` is any path on the disk meant.

    `pressure` tells how short of memory the system says it is; None where it does not say.
    """

    disk: Path
    min_memory_bytes: int
    min_disk_bytes: int
    pressure: Callable[[], int | None] = pressure_level

    def find_shortage(self) -> Shortage | None:
        """Return what the host is short of; None when an engine may start."""
        try:
            memory_bytes, disk_bytes = free_memory_bytes(), free_disk_bytes(self.disk)
            pressure = self.pressure()
        except OSError as error:  # too many open files, as a rule: an engine could not be started either
            facts = Words(text=f"what is free on this host cannot be measured: {error}")
            return Shortage(code=ReasonCode.MEMORY_LOW, facts=facts)
        disk = NotEnoughFree(resource=Resource.DISK, free_bytes=disk_bytes, min_free_bytes=self.min_disk_bytes)
        floor_bytes = memory_floor_bytes(self.min_memory_bytes, pressure)
        if floor_bytes is None:
            facts = Words(text=f"the system says that its memory is short (pressure level {pressure})")
            return Shortage(code=ReasonCode.MEMORY_LOW, facts=facts)
        if memory_bytes < floor_bytes:
            memory = NotEnoughFree(resource=Resource.MEMORY, free_bytes=memory_bytes, min_free_bytes=floor_bytes)
            return Shortage(code=ReasonCode.MEMORY_LOW, facts=memory)
        if disk_bytes < self.min_disk_bytes:
            return Shortage(code=ReasonCode.DISK_FULL, facts=disk)
        return None
