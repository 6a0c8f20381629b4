"""A filter of system calls (seccomp(2)) for what Landlock cannot see, by the numbers and flags a call is made with.

Without it a confined program could shut its neighbours' directories by changing their modes, slow other processes down,
take off the mark by which it is recognised, execute what it has put together in memory, share memory and keys with our
user's other programs, or go round the rules about TCP ports. It is no wall of its own: it can
look at numbers only, not at paths. A thread's filter holds for whatever it starts.
"""

import ctypes
import errno
import os
import platform
import socket
import struct
from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

from openwa_manager.domain.values import dataclass

#: linux/prctl.h, linux/seccomp.h.
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
#: linux/bpf_common.h: load a word, return a constant, and jumps that compare the accumulator with a constant.
_LOAD, _RETURN, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT = 0x20, 0x06, 0x15, 0x35, 0x45
#: Where `struct seccomp_data` has the number of the call, the machine, and the low halves of the arguments.
_NUMBER, _MACHINE, _ARGUMENTS, _ARGUMENT_BYTES = 0, 4, 16, 8
_INSTRUCTION = struct.Struct("=HBBI")
_MOST_STEPS = 255  # of one jump

#: Programs for the old 32-bit table, and for x32, make calls by other numbers: none of theirs is let through.
_FOREIGN = 0x40000000
_MSG_FASTOPEN = 0x20000000
_MARKED_BY = 15  # RLIMIT_RTTIME, by which engines are marked
_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, 16)  # AF_NETLINK, which the socket module may lack
#: TCP, UDP and ping; MPTCP, SCTP and SMC would reach TCP servers past Landlock's rules.
_PROTOCOLS = (0, socket.IPPROTO_ICMP, socket.IPPROTO_TCP, socket.IPPROTO_UDP, socket.IPPROTO_ICMPV6)


class Machine(NamedTuple):
    """A machine's constant of linux/audit.h and its numbers of the calls that the filter knows."""

    audit: int
    numbers: dict[str, int]


#: Calls that came after the tables of the machines were joined have one number everywhere.
_COMMON = {"io_uring_setup": 425, "fchmodat2": 452, "setxattrat": 463, "removexattrat": 466, "file_setattr": 469}
#: arch/x86/entry/syscalls/syscall_64.tbl; include/uapi/asm-generic/unistd.h.
MACHINES = {
    "x86_64": Machine(
        0xC000003E,
        _COMMON
        | {"socket": 41, "sendto": 44, "sendmsg": 46, "sendmmsg": 307, "prlimit64": 302, "setrlimit": 160}
        | {"chmod": 90, "fchmod": 91, "fchmodat": 268, "chown": 92, "fchown": 93, "lchown": 94, "fchownat": 260}
        | {"setxattr": 188, "lsetxattr": 189, "fsetxattr": 190}
        | {"removexattr": 197, "lremovexattr": 198, "fremovexattr": 199}
        | {"setpriority": 141, "sched_setparam": 142, "sched_setscheduler": 144, "sched_setaffinity": 203}
        | {"ioprio_set": 251, "sched_setattr": 314, "memfd_create": 319}
        | {"shmget": 29, "shmat": 30, "semget": 64, "semop": 65, "semtimedop": 220}
        | {"msgget": 68, "msgsnd": 69, "msgrcv": 70, "mq_open": 240}
        | {"add_key": 248, "request_key": 249, "keyctl": 250},
    ),
    "aarch64": Machine(
        0xC00000B7,
        _COMMON
        | {"socket": 198, "sendto": 206, "sendmsg": 211, "sendmmsg": 269, "prlimit64": 261, "setrlimit": 164}
        | {"fchmod": 52, "fchmodat": 53, "fchownat": 54, "fchown": 55}
        | {"setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16}
        | {"setpriority": 140, "sched_setparam": 118, "sched_setscheduler": 119, "sched_setaffinity": 122}
        | {"ioprio_set": 30, "sched_setattr": 274, "memfd_create": 279}
        | {"shmget": 194, "shmat": 196, "semget": 190, "semop": 193, "semtimedop": 192}
        | {"msgget": 186, "msgsnd": 189, "msgrcv": 188, "mq_open": 180}
        | {"add_key": 217, "request_key": 218, "keyctl": 219},
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What becomes of some calls: they fail with an error, 0 meaning that they do nothing and say it was done.

    Without `argument` whenever they are made; else if that argument (its low 32 bits) is `value`, has any of `bits`, or
    is none of `values`.
    """

    calls: tuple[str, ...]
    error: int
    argument: int | None = None
    value: int | None = None
    bits: int = 0
    values: tuple[int, ...] = ()


RULES = (
    # The umask makes what is written its owner's alone, so that no mode need be set.
    Rule(calls=("chmod", "fchmod", "fchmodat", "fchmodat2"), error=0),
    Rule(calls=("chown", "fchown", "lchown", "fchownat"), error=errno.EPERM),
    Rule(
        calls=(
            *("setxattr", "lsetxattr", "fsetxattr", "setxattrat", "file_setattr"),
            *("removexattr", "lremovexattr", "fremovexattr", "removexattrat"),
        ),
        error=errno.EOPNOTSUPP,
    ),
    # A file in memory lies in no directory, so that no rule forbids to execute it.
    Rule(calls=("io_uring_setup", "memfd_create"), error=errno.ENOSYS),
    # All programs of a user share these, and each is found by a number or a name that is no path.
    Rule(
        calls=(
            *("shmget", "shmat", "semget", "semop", "semtimedop", "msgget", "msgsnd", "msgrcv", "mq_open"),
            *("add_key", "request_key", "keyctl"),
        ),
        error=errno.ENOSYS,
    ),
    Rule(calls=("prlimit64", "sched_setparam", "sched_setscheduler"), error=errno.EPERM, argument=0, values=(0,)),
    Rule(calls=("prlimit64",), error=errno.EPERM, argument=1, value=_MARKED_BY),
    Rule(calls=("setrlimit",), error=errno.EPERM, argument=0, value=_MARKED_BY),
    Rule(calls=("sched_setaffinity", "sched_setattr"), error=errno.EPERM, argument=0, values=(0,)),
    Rule(calls=("setpriority", "ioprio_set"), error=errno.EPERM, argument=1, values=(0,)),
    Rule(calls=("socket",), error=errno.EAFNOSUPPORT, argument=0, values=_FAMILIES),
    Rule(calls=("socket",), error=errno.EPROTONOSUPPORT, argument=2, values=_PROTOCOLS),
    Rule(calls=("sendto", "sendmmsg"), error=errno.EOPNOTSUPP, argument=3, bits=_MSG_FASTOPEN),
    Rule(calls=("sendmsg",), error=errno.EOPNOTSUPP, argument=2, bits=_MSG_FASTOPEN),
)


class Instruction(NamedTuple):
    """One step of the filter's program (`struct sock_filter`): the jumps count the steps to leave out."""

    code: int
    if_true: int
    if_false: int
    operand: int


def is_known(machine: str) -> bool:
    """Tell whether the filter can be made for a machine."""
    return machine in MACHINES


def program(machine: Machine, rules: Iterable[Rule] = RULES) -> list[Instruction]:
    """Return the filter: every call of another table of numbers fails, then each rule is tried in turn."""
    steps = [
        Instruction(_LOAD, 0, 0, _MACHINE),
        Instruction(_IF_EQUAL, 1, 0, machine.audit),
        _fail(errno.EPERM),
        Instruction(_LOAD, 0, 0, _NUMBER),
        Instruction(_IF_AT_LEAST, 0, 1, _FOREIGN),
        _fail(errno.EPERM),
    ]
    for rule in rules:
        numbers = [machine.numbers[call] for call in rule.calls if call in machine.numbers]
        for number in numbers:
            steps += _steps(rule, number)
    return [*steps, Instruction(_RETURN, 0, 0, _ALLOW)]


def _steps(rule: Rule, number: int) -> Sequence[Instruction]:
    """Return the steps that make one call fail; whoever does not run into the end finds the number loaded."""
    if rule.argument is None:
        body = [_fail(rule.error)]
    else:
        body = [
            Instruction(_LOAD, 0, 0, _ARGUMENTS + rule.argument * _ARGUMENT_BYTES),
            *_condition(rule),
            _fail(rule.error),
            Instruction(_LOAD, 0, 0, _NUMBER),
        ]
    return [Instruction(_IF_EQUAL, 0, len(body), number), *body]


def _condition(rule: Rule) -> list[Instruction]:
    """Return the steps that leave the next one out unless the loaded argument is to be refused."""
    if rule.value is not None:
        return [Instruction(_IF_EQUAL, 0, 1, rule.value)]
    if rule.bits:
        return [Instruction(_IF_ANY_BIT, 0, 1, rule.bits)]
    count = len(rule.values)
    return [Instruction(_IF_EQUAL, count - index, 0, value) for index, value in enumerate(rule.values)]


def _fail(error: int) -> Instruction:
    return Instruction(_RETURN, 0, 0, _ERRNO | error)


class _Program(ctypes.Structure):
    """`struct sock_fprog` of linux/filter.h."""

    _fields_ = (("count", ctypes.c_ushort), ("steps", ctypes.c_char_p))


@cache
def _packed() -> bytes:
    return b"".join(_INSTRUCTION.pack(*step) for step in program(MACHINES[platform.machine()]))


def filter_thread() -> None:
    """Bind the calling thread, and whatever it starts, to the filter for good; nothing where it is not known.

    Raises OSError when the kernel refuses; the thread must have given up new privileges before (prctl(2)).
    """
    if not is_known(platform.machine()):
        return
    packed = _packed()
    given = _Program(len(packed) // _INSTRUCTION.size, packed)
    result = ctypes.CDLL(None, use_errno=True).prctl(
        ctypes.c_int(_PR_SET_SECCOMP), ctypes.c_ulong(_SECCOMP_MODE_FILTER), ctypes.byref(given), None, None
    )
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"seccomp: {os.strerror(number)}")
