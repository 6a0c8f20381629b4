"""Asks macOS about its processes: libproc and sysctl, which are part of libSystem."""

import ctypes
import errno
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from functools import cache
from threading import Lock

from openwa_manager.host.system_library import load_library
from openwa_manager.processes.reading.darwin import parsing
from openwa_manager.processes.reading.darwin.parsing import BsdInfo, OpenFile, ProcessStrings, TaskInfo
from openwa_manager.processes.reading.darwin.structures import (
    MachTimebaseInfo,
    ProcBsdinfo,
    ProcFdinfo,
    ProcTaskallinfo,
    ProcVnodepathinfo,
    RusageInfoV2,
    VnodeFdinfowithpath,
)

#: Flavors of proc_pidinfo, of proc_pidfdinfo and of proc_pid_rusage (bsd/sys/proc_info.h, bsd/sys/resource.h).
_PROC_PIDLISTFDS, _PROC_PIDTASKALLINFO, _PROC_PIDTBSDINFO, _PROC_PIDVNODEPATHINFO = 1, 2, 3, 9
_PROC_PIDFDVNODEPATHINFO = 2
_RUSAGE_INFO_V2 = 2
_FIND_ZOMBIES_TOO = 1
#: The name of the strings a process was started with (bsd/sys/sysctl.h), and the most bytes the kernel takes a buffer
#: for (ARG_MAX of bsd/sys/syslimits.h, beside the count). A smaller one gets the end of the strings only.
_CTL_KERN, _KERN_PROCARGS2, _STRINGS_MAX = 1, 49, 1024 * 1024
#: So many more than the system counted may have been started meanwhile.
_SLACK = 64
#: It is gone, or belongs to somebody else (proc_security_policy in bsd/kern/proc_info.c).
_NOT_SEEN = (errno.ESRCH, errno.EPERM, errno.EACCES)


class Libproc:
    """The calls of one library: of the system's own, or of one that tells the same of another system.

    Of another user's process only root is told anything. Raises OSError where the kernel has no memory left.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self._strings = ctypes.create_string_buffer(_STRINGS_MAX)
        self._reading_strings = Lock()
        library.proc_listallpids.argtypes = (c_void_p, c_int)
        library.proc_pidinfo.argtypes = (c_int, c_int, c_uint64, c_void_p, c_int)
        library.proc_pidfdinfo.argtypes = (c_int, c_int, c_int, c_void_p, c_int)
        library.proc_pid_rusage.argtypes = (c_int, c_int, c_void_p)
        library.sysctl.argtypes = (c_void_p, c_uint32, c_void_p, c_void_p, c_char_p, c_size_t)
        timebase = MachTimebaseInfo()
        library.mach_timebase_info(byref(timebase))
        self._tick_s: float = timebase.numer / timebase.denom / 1e9

    def pids(self) -> list[int]:
        """Return the numbers of all processes, zombies too; any may be gone by now."""
        room = int(self._library.proc_listallpids(None, 0))
        while True:
            room += _SLACK
            numbers = (c_int * room)()
            count = self._library.proc_listallpids(numbers, ctypes.sizeof(numbers))
            if count <= 0:
                raise _error("the processes cannot be listed")
            if count < room:  # else there may be more than had room
                return [each for each in numbers[:count] if each]  # 0 is the kernel itself
            room *= 2

    def bsd_info(self, pid: int) -> BsdInfo | None:
        """Return who a process is, also of a zombie; None when it is gone or hidden from us."""
        raw = self.raw_bsdinfo(pid)
        return None if raw is None else parsing.parse_bsdinfo(raw)

    def is_gone(self, pid: int) -> bool:
        """Tell whether there is no such process any more, or only its zombie; one that is hidden from us is there."""
        info = self.bsd_info(pid)
        return ctypes.get_errno() == errno.ESRCH if info is None else info.is_dead

    def raw_bsdinfo(self, pid: int) -> bytes | None:
        """Return a process's `struct proc_bsdinfo`, also a zombie's; None when it is gone or hidden from us."""
        return self._pidinfo(pid, _PROC_PIDTBSDINFO, ctypes.sizeof(ProcBsdinfo), _FIND_ZOMBIES_TOO)

    def task_info(self, pid: int) -> TaskInfo | None:
        """Return what a live process is and uses; None when it is dead or hidden from us."""
        raw = self.raw_taskallinfo(pid)
        told = None if raw is None else parsing.parse_taskallinfo(raw)
        return None if told is None or told.who.is_dead else told

    def raw_taskallinfo(self, pid: int) -> bytes | None:
        """Return a process's `struct proc_taskallinfo`; None when it is gone or hidden from us."""
        return self._pidinfo(pid, _PROC_PIDTASKALLINFO, ctypes.sizeof(ProcTaskallinfo))

    def cpu_s(self, cpu_time: int) -> float:
        """Return a time in units of the machine's clock in seconds: on Apple silicon such a unit is 125/3 ns."""
        return cpu_time * self._tick_s

    def footprint_bytes(self, pid: int) -> int | None:
        """Return the memory that counts as the process's own; None when it is gone or hidden from us."""
        raw = self.raw_rusage(pid)
        return None if raw is None else parsing.parse_footprint(raw)

    def raw_rusage(self, pid: int) -> bytes | None:
        """Return a process's `struct rusage_info_v2`; None when it is gone or hidden from us."""
        told = RusageInfoV2()
        if self._library.proc_pid_rusage(pid, _RUSAGE_INFO_V2, byref(told)) == 0:
            return bytes(told)
        _require_unseen(f"the memory of process {pid} cannot be read")
        return None

    def working_dir(self, pid: int) -> str:
        """Return where a process works; empty when it is gone or hidden from us."""
        raw = self._pidinfo(pid, _PROC_PIDVNODEPATHINFO, ctypes.sizeof(ProcVnodepathinfo))
        return "" if raw is None else parsing.parse_working_dir(raw)

    def open_file(self, pid: int, number: int) -> OpenFile | None:
        """Return the file that a process has open under this number; None when it has none or is hidden from us."""
        told = VnodeFdinfowithpath()
        size = ctypes.sizeof(told)
        # A file that was revoked, or lies on a disk that is gone, has errors of its own.
        if self._library.proc_pidfdinfo(pid, number, _PROC_PIDFDVNODEPATHINFO, byref(told), size) != size:
            return None
        return parsing.parse_open_file(bytes(told))

    def open_files(self, pid: int) -> list[OpenFile]:
        """Return all files that a process has open; none when it is gone or hidden from us.

        `proc_listpidspath` would find who has one file open, but reads every range of memory of every process before
        it comes to descriptors (libsyscall/wrappers/libproc/proc_listpidspath.c): thousands of calls for a browser.
        """
        size = self._library.proc_pidinfo(pid, _PROC_PIDLISTFDS, 0, None, 0) + _SLACK * ctypes.sizeof(ProcFdinfo)
        told = ctypes.create_string_buffer(size)
        used = self._library.proc_pidinfo(pid, _PROC_PIDLISTFDS, 0, told, size)
        numbers = parsing.parse_descriptors(told.raw[:used])
        return [file for number in numbers if (file := self.open_file(pid, number)) is not None]

    def strings(self, pid: int) -> ProcessStrings | None:
        """Return what a live process was started with; None when it is dead or hidden from us."""
        name = (c_int * 3)(_CTL_KERN, _KERN_PROCARGS2, pid)
        size = c_size_t(_STRINGS_MAX)
        with self._reading_strings:  # a buffer of that size for each process would cost more than the rest
            if self._library.sysctl(name, 3, self._strings, byref(size), None, 0) != 0:
                return None  # EINVAL says all: gone, a zombie, somebody else's
            return parsing.parse_process_strings(ctypes.string_at(self._strings, size.value))

    def _pidinfo(self, pid: int, flavor: int, size: int, argument: int = 0) -> bytes | None:
        told = ctypes.create_string_buffer(size)
        used = self._library.proc_pidinfo(pid, flavor, argument, told, size)
        if used == size:
            return told.raw
        if used > 0:
            raise OSError(errno.EPROTO, f"the system tells {used} bytes of a process in place of {size}")
        _require_unseen(f"process {pid} cannot be looked at")
        return None


def _require_unseen(what: str) -> None:
    """Raise OSError unless the process of the last call is only gone or hidden."""
    if ctypes.get_errno() not in _NOT_SEEN:
        raise _error(what)


def _error(what: str) -> OSError:
    return OSError(ctypes.get_errno(), what)


@cache
def system_libproc() -> Libproc:  # pragma: no cover (macOS)
    """Return the calls of this system."""
    return Libproc(load_library())
