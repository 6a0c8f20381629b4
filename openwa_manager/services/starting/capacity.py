"""Whether the host has room for one more engine."""

from dataclasses import dataclass
from pathlib import Path

from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.host.capacity import free_disk_bytes, free_memory_bytes
from openwa_manager.services.starting.start_gate import Shortage


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What is kept free on this host, in bytes; `disk` is any path on the disk that counts."""

    disk: Path
    min_memory_bytes: int
    min_disk_bytes: int

    def find_shortage(self) -> Shortage | None:
        """Return what the host is short of; None when an engine may start."""
        try:
            memory_bytes, disk_bytes = free_memory_bytes(), free_disk_bytes(self.disk)
        except OSError as error:  # too many open files, as a rule: an engine could not be started either
            return Shortage(code=ReasonCode.MEMORY_LOW, detail=f"the room on this host cannot be measured: {error}")
        if memory_bytes < self.min_memory_bytes:
            detail = f"{memory_bytes} bytes of memory free, {self.min_memory_bytes} are kept free"
            return Shortage(code=ReasonCode.MEMORY_LOW, detail=detail)
        if disk_bytes < self.min_disk_bytes:
            detail = f"{disk_bytes} bytes of disk free, {self.min_disk_bytes} are kept free"
            return Shortage(code=ReasonCode.DISK_FULL, detail=detail)
        return None
