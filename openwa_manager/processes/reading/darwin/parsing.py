"""Reads the bytes that macOS answers: what we use of them, in units of ours."""

import ctypes
import os
import struct
from typing import NamedTuple

from openwa_manager.processes.reading.darwin.structures import (
    ProcBsdinfo,
    ProcFdinfo,
    ProcTaskallinfo,
    ProcVnodepathinfo,
    RusageInfoV2,
    VnodeFdinfowithpath,
)

#: A zombie (bsd/sys/proc.h).
_SZOMB = 5
#: An advisory lock was taken through the descriptor, or another one that was copied from it (bsd/sys/fcntl.h).
_FWASLOCKED = 0x4000
#: The descriptor is open on a file (bsd/sys/proc_info.h).
_PROX_FDTYPE_VNODE = 1
#: Before the strings of KERN_PROCARGS2: how many of them are arguments (bsd/kern/kern_sysctl.c).
_ARGC = struct.Struct("i")


class BsdInfo(NamedTuple):
    """Who a process is; `started` is the raw `p_starttime` in microseconds, `uid` its effective user."""

    pid: int
    ppid: int
    uid: int
    started: int
    is_dead: bool


class TaskInfo(NamedTuple):
    """What a live process is and uses; `cpu_time` is in units of the machine's clock."""

    who: BsdInfo
    cpu_time: int
    resident_bytes: int


class OpenFile(NamedTuple):
    """A file that a process has open; `was_locked`: a lock was taken through this descriptor, be it by a parent.

    `path` has no links in it, and may be empty or out of date once the file was removed.
    """

    path: str
    was_locked: bool


class ProcessStrings(NamedTuple):
    """What a process was started with, each string ended by a NUL.

    `environment` is empty, too, where the system keeps it to itself: of Apple's own programs (/bin/sh, /bin/sleep) and
    others that are signed as restricted, such as Chrome.
    """

    command_line: bytes
    environment: bytes


def parse_bsdinfo(raw: bytes) -> BsdInfo:
    """Return what a `struct proc_bsdinfo` says."""
    return _bsd_info(ProcBsdinfo.from_buffer_copy(raw))


def parse_taskallinfo(raw: bytes) -> TaskInfo:
    """Return what a `struct proc_taskallinfo` says."""
    told = ProcTaskallinfo.from_buffer_copy(raw)
    used = told.ptinfo
    return TaskInfo(
        who=_bsd_info(told.pbsd),
        cpu_time=used.pti_total_user + used.pti_total_system,
        resident_bytes=used.pti_resident_size,
    )


def parse_footprint(raw: bytes) -> int:
    """Return the memory that a `struct rusage_info_v2` counts as the process's own, in bytes.

    Pages that were compressed count too; they are no longer resident.
    """
    footprint_bytes: int = RusageInfoV2.from_buffer_copy(raw).ri_phys_footprint
    return footprint_bytes


def parse_open_file(raw: bytes) -> OpenFile:
    """Return what a `struct vnode_fdinfowithpath` says."""
    told = VnodeFdinfowithpath.from_buffer_copy(raw)
    return OpenFile(path=os.fsdecode(told.pvip.vip_path), was_locked=bool(told.pfi.fi_openflags & _FWASLOCKED))


def parse_descriptors(raw: bytes) -> list[int]:
    """Return which numbers are open on files, of an array of `struct proc_fdinfo`."""
    count = len(raw) // ctypes.sizeof(ProcFdinfo)
    return [
        each.proc_fd for each in (ProcFdinfo * count).from_buffer_copy(raw) if each.proc_fdtype == _PROX_FDTYPE_VNODE
    ]


def parse_working_dir(raw: bytes) -> str:
    """Return the working directory that a `struct proc_vnodepathinfo` names."""
    return os.fsdecode(ProcVnodepathinfo.from_buffer_copy(raw).pvi_cdir.vip_path)


def parse_process_strings(raw: bytes) -> ProcessStrings:
    """Return what the answer of `KERN_PROCARGS2` says: the count, the program's path, arguments and environment.

    The path is followed by NULs up to the next multiple of a word.
    """
    (count,) = _ARGC.unpack_from(raw)
    strings = raw[_ARGC.size :]
    start = strings.find(b"\0") + 1 or len(strings)
    while start < len(strings) and strings[start] == 0:
        start += 1
    end = start
    while count > 0 and end < len(strings):
        end = strings.find(b"\0", end) + 1 or len(strings)
        count -= 1
    environment = b"".join(each + b"\0" for each in strings[end:].split(b"\0") if each)
    return ProcessStrings(command_line=strings[start:end], environment=environment)


def _bsd_info(told: ProcBsdinfo) -> BsdInfo:
    return BsdInfo(
        pid=told.pbi_pid,
        ppid=told.pbi_ppid,
        uid=told.pbi_uid,
        started=told.pbi_start_tvsec * 1_000_000 + told.pbi_start_tvusec,
        is_dead=told.pbi_status == _SZOMB,
    )
