"""Landlock, the part of Linux by which a thread gives up rights for itself and all it starts (landlock(7)).

A right that is *handled* is denied wherever no rule allows it; one that is not handled stays as it was. Newer kernels
can handle more, which the number of their ABI tells. A thread that has restricted itself cannot go back, and whatever
it executes is restricted as well; other threads are not. Rules hold for what is opened later: what is open already
stays so. Not handled by any ABI up to 7: changing modes and owners, connecting to a unix socket by its path, UDP.
"""

import ctypes
import errno
import os
import platform
import stat
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import IntFlag
from functools import cache
from pathlib import Path

from openwa_manager.domain.values import dataclass

#: Numbers of the three calls, the same on all these machines (arch/*/syscall.tbl); 64 bits, little endian, all of them.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_MACHINES = frozenset({"x86_64", "aarch64", "riscv64", "ppc64le", "loongarch64"})
_CREATE_RULESET_VERSION = 1
_O_PATH = 0o10000000  # asm-generic/fcntl.h; the os module names it on Linux only
_RULE_PATH_BENEATH, _RULE_NET_PORT = 1, 2
#: `struct landlock_path_beneath_attr` (packed) and `struct landlock_net_port_attr` of linux/landlock.h.
_PATH_BENEATH = struct.Struct("=Qi")
_NET_PORT = struct.Struct("=QQ")


class Access(IntFlag):
    """What may be done to files and directories (LANDLOCK_ACCESS_FS_*)."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15


class NetAccess(IntFlag):
    """What may be done with TCP ports (LANDLOCK_ACCESS_NET_*)."""

    BIND = 1 << 0
    CONNECT = 1 << 1


class Scope(IntFlag):
    """What ends at the restricted processes (LANDLOCK_SCOPE_*): whom they reach by these, they or none."""

    ABSTRACT_UNIX_SOCKET = 1 << 0
    SIGNAL = 1 << 1


#: The rights that a rule about a file, not a directory, may have.
OF_FILES = Access.EXECUTE | Access.WRITE_FILE | Access.READ_FILE | Access.TRUNCATE | Access.IOCTL_DEV
ALL = Access(sum(Access))
#: ABI -> what it was the first to handle.
_SINCE: dict[int, Access] = {
    1: ALL & ~(Access.REFER | Access.TRUNCATE | Access.IOCTL_DEV),
    2: Access.REFER,
    3: Access.TRUNCATE,
    5: Access.IOCTL_DEV,
}
PORTS_SINCE, SCOPES_SINCE = 4, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """What a kernel can forbid."""

    files: Access
    ports: NetAccess
    scopes: Scope

    def pack(self) -> bytes:
        """Return it as `struct landlock_ruleset_attr`, no longer than a kernel that handles no more knows it."""
        fields = [self.files, self.ports, self.scopes] if self.scopes else [self.files, self.ports]
        if not fields[-1]:
            fields.pop()
        return struct.pack(f"={len(fields)}Q", *fields)


def handled_by(abi: int) -> Handled:
    """Return all that a kernel with this ABI can forbid."""
    return Handled(
        files=Access(sum(rights for since, rights in _SINCE.items() if since <= abi)),
        ports=NetAccess(sum(NetAccess)) if abi >= PORTS_SINCE else NetAccess(0),
        scopes=Scope(sum(Scope)) if abi >= SCOPES_SINCE else Scope(0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRule:
    """What is allowed with a file, or with all below a directory.

    `is_needed`: without it nothing may start, and a link in its place is none of ours.
    """

    path: Path
    access: Access
    is_needed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PortRule:
    """What is allowed with a TCP port of any address."""

    port: int
    access: NetAccess


@cache
def abi() -> int:
    """Return the ABI of this kernel's Landlock; 0 where there is none, or where it is switched off or forbidden."""
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        return 0
    return max(0, _syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_CREATE_RULESET_VERSION)))


@contextmanager
def ruleset(handled: Handled, paths: Iterable[PathRule], ports: Iterable[PortRule]) -> Iterator[int]:
    """Make the rules and hold their descriptor while the body runs; what does not exist needs no rule.

    Raises:
        OSError: the kernel refuses them, or a path that is needed cannot be opened.
    """
    attributes = handled.pack()
    fd = _checked(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    try:
        for rule in paths:
            _allow_path(fd, rule, handled.files)
        for port in ports:
            if rights := port.access & handled.ports:
                _add(fd, _RULE_NET_PORT, _NET_PORT.pack(rights, port.port))
        yield fd
    finally:
        os.close(fd)


def restrict_thread(fd: int) -> None:
    """Bind the calling thread, and whatever it starts, to a set of rules for good.

    Raises OSError when the kernel refuses; the thread must have given up new privileges before (prctl(2)).
    """
    _checked(_RESTRICT_SELF, ctypes.c_int(fd), ctypes.c_uint32(0))


def _allow_path(fd: int, rule: PathRule, handled: Access) -> None:
    try:
        parent = os.open(rule.path, _O_PATH | os.O_CLOEXEC | (os.O_NOFOLLOW if rule.is_needed else 0))
    except OSError:
        if rule.is_needed:
            raise
        return
    try:
        mode = os.fstat(parent).st_mode
        if stat.S_ISLNK(mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(rule.path))
        is_directory = stat.S_ISDIR(mode)
        if rights := rule.access & handled & (ALL if is_directory else OF_FILES):
            _add(fd, _RULE_PATH_BENEATH, _PATH_BENEATH.pack(rights, parent))
    finally:
        os.close(parent)


def _add(fd: int, kind: int, attributes: bytes) -> None:
    _checked(_ADD_RULE, ctypes.c_int(fd), ctypes.c_int(kind), attributes, ctypes.c_uint32(0))


_Argument = bytes | ctypes.c_int | ctypes.c_uint32 | ctypes.c_size_t | None


def _checked(number: int, *arguments: _Argument) -> int:
    result = _syscall(number, *arguments)
    if result < 0:
        number_of_error = ctypes.get_errno()
        raise OSError(number_of_error, f"Landlock: {os.strerror(number_of_error)}")
    return result


def _syscall(number: int, *arguments: _Argument) -> int:
    ctypes.set_errno(errno.ENOSYS)
    return int(_libc().syscall(ctypes.c_long(number), *arguments))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
