"""Reads what only macOS can tell about its processes, through libproc and sysctl, nothing to install."""

import ctypes
import struct
from functools import cache
from typing import NamedTuple

#: struct proc_bsdinfo and its flavor number, from the SDK's sys/proc_info.h.
_PROC_PIDTBSDINFO = 3
_BSDINFO = struct.Struct("=12I16s32s5Ii2Q")
_FIND_ZOMBIES_TOO = 1
_SZOMB = 5  # sys/proc.h


class ProcessInfo(NamedTuple):
    """The part of `struct proc_bsdinfo` we use; `started` is the raw `p_starttime` in microseconds."""

    started: int
    is_dead: bool


def read_process_info(pid: int) -> ProcessInfo | None:  # pragma: no cover (macOS)
    """Return the facts about a process, also a zombie; None when there is none or it is hidden from us."""
    buffer = ctypes.create_string_buffer(_BSDINFO.size)
    size = _libc().proc_pidinfo(
        pid, _PROC_PIDTBSDINFO, ctypes.c_uint64(_FIND_ZOMBIES_TOO), buffer, ctypes.c_int(_BSDINFO.size)
    )
    return parse_process_info(buffer.raw) if size == _BSDINFO.size else None


def parse_process_info(bsdinfo: bytes) -> ProcessInfo:
    """Return the facts in a `struct proc_bsdinfo`."""
    fields = _BSDINFO.unpack(bsdinfo)
    status, seconds, microseconds = fields[1], fields[-2], fields[-1]
    return ProcessInfo(started=seconds * 1_000_000 + microseconds, is_dead=status == _SZOMB)


def boot_session() -> str:  # pragma: no cover (macOS)
    """Return the UUID the kernel drew at this boot."""
    size = ctypes.c_size_t(64)
    buffer = ctypes.create_string_buffer(size.value)
    if _libc().sysctlbyname(b"kern.bootsessionuuid", buffer, ctypes.byref(size), None, ctypes.c_size_t(0)) != 0:
        raise OSError(ctypes.get_errno(), "kern.bootsessionuuid cannot be read")
    return buffer.value.decode("ascii")


@cache
def _libc() -> ctypes.CDLL:  # pragma: no cover (macOS)
    return ctypes.CDLL(None, use_errno=True)
