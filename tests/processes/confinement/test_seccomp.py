import errno
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.processes.confinement.seccomp import MACHINES, RULES, Instruction, is_known, program

ALLOW, ERRNO = 0x7FFF0000, 0x00050000
ANY_MACHINE = pytest.mark.parametrize("name", MACHINES)


def verdict(steps: Sequence[Instruction], audit: int, number: int, arguments: Sequence[int] = ()) -> int:
    """Run a filter as the kernel does (linux/filter.h), and return what it says."""
    data = struct.pack("=IIQ6Q", number, audit, 0, *(*arguments, *(0,) * (6 - len(arguments))))
    at, accumulator = 0, 0
    while True:
        step = steps[at]
        at += 1
        match step.code:
            case 0x20:
                (accumulator,) = struct.unpack_from("=I", data, step.operand)
            case 0x06:
                return step.operand
            case 0x15:
                at += step.if_true if accumulator == step.operand else step.if_false
            case 0x35:
                at += step.if_true if accumulator >= step.operand else step.if_false
            case 0x45:
                at += step.if_true if accumulator & step.operand else step.if_false
            case _:
                raise AssertionError(step)


def asked(name: str, call: str, *arguments: int) -> int:
    machine = MACHINES[name]
    return verdict(program(machine), machine.audit, machine.numbers[call], arguments)


@ANY_MACHINE
def test_what_sets_modes_does_nothing_and_says_it_was_done(name: str) -> None:
    for call in ("fchmod", "fchmodat", "fchmodat2"):
        assert asked(name, call, 1, 2, 3) == ERRNO


@ANY_MACHINE
def test_owners_and_attributes_are_not_changed(name: str) -> None:
    assert asked(name, "fchownat") == ERRNO | errno.EPERM
    assert asked(name, "fsetxattr") == ERRNO | errno.EOPNOTSUPP


@ANY_MACHINE
def test_limits_and_priorities_are_a_programs_own_only(name: str) -> None:
    for call in ("prlimit64", "sched_setscheduler", "sched_setaffinity", "sched_setattr"):
        assert asked(name, call, 0) == ALLOW
        assert asked(name, call, 4711) == ERRNO | errno.EPERM
    for call in ("setpriority", "ioprio_set"):
        assert asked(name, call, 0, 0) == ALLOW
        assert asked(name, call, 0, 4711) == ERRNO | errno.EPERM


@ANY_MACHINE
def test_the_limit_that_marks_an_engine_is_not_touched(name: str) -> None:
    assert asked(name, "prlimit64", 0, 7) == ALLOW
    assert asked(name, "prlimit64", 0, 15) == ERRNO | errno.EPERM
    assert asked(name, "setrlimit", 7) == ALLOW
    assert asked(name, "setrlimit", 15) == ERRNO | errno.EPERM


@ANY_MACHINE
def test_nothing_is_executed_from_memory_or_shared_by_numbers(name: str) -> None:
    shared = ("shmget", "shmat", "semget", "semop", "semtimedop", "msgget", "msgsnd", "msgrcv", "mq_open")
    for call in ("memfd_create", "io_uring_setup", *shared, "add_key", "request_key", "keyctl"):
        assert asked(name, call, 1, 2, 3) == ERRNO | errno.ENOSYS


@ANY_MACHINE
@pytest.mark.parametrize("family", [1, 2, 10, 16])
@pytest.mark.parametrize("protocol", [0, 6, 17])
def test_ordinary_sockets_are_made(name: str, family: int, protocol: int) -> None:
    assert asked(name, "socket", family, 1, protocol) == ALLOW


@ANY_MACHINE
def test_no_other_kind_of_socket_goes_round_the_rules_about_ports(name: str) -> None:
    assert asked(name, "socket", 43, 1, 0) == ERRNO | errno.EAFNOSUPPORT  # AF_SMC
    for protocol in (132, 256, 262):  # SCTP, SMC, MPTCP
        assert asked(name, "socket", 2, 1, protocol) == ERRNO | errno.EPROTONOSUPPORT


@ANY_MACHINE
def test_nothing_connects_by_sending(name: str) -> None:
    fast_open = 0x20000000 | 0x40
    assert asked(name, "sendto", 3, 4, 5, 0x4000) == ALLOW
    assert asked(name, "sendto", 3, 4, 5, fast_open) == ERRNO | errno.EOPNOTSUPP
    assert asked(name, "sendmsg", 3, 4, fast_open) == ERRNO | errno.EOPNOTSUPP
    assert asked(name, "sendmmsg", 3, 4, 5, fast_open) == ERRNO | errno.EOPNOTSUPP


@ANY_MACHINE
def test_calls_by_the_numbers_of_another_table_fail(name: str) -> None:
    machine = MACHINES[name]

    assert verdict(program(machine), 0x40000003, machine.numbers["socket"], (2, 1)) == ERRNO | errno.EPERM
    assert verdict(program(machine), machine.audit, 0x40000000 | 41, (2, 1)) == ERRNO | errno.EPERM


@given(number=st.integers(0, 600), arguments=st.lists(st.integers(0, 2**64 - 1), max_size=6))
def test_every_other_call_is_let_through(number: int, arguments: list[int]) -> None:
    machine = MACHINES["x86_64"]

    said = verdict(program(machine), machine.audit, number, arguments)

    assert said == ALLOW or number in machine.numbers.values()


@ANY_MACHINE
def test_the_program_is_one_the_kernel_takes(name: str) -> None:
    steps = program(MACHINES[name])

    assert len(steps) < 4096
    assert steps[-1].code == 0x06
    for at, step in enumerate(steps[:-1]):
        assert all(0 <= jump <= 255 and at + 1 + jump < len(steps) for jump in (step.if_true, step.if_false))


def test_a_rule_knows_its_calls_by_number_on_some_machine() -> None:
    known = {call for machine in MACHINES.values() for call in machine.numbers}

    assert {call for rule in RULES for call in rule.calls} == known
    assert is_known("x86_64")
    assert not is_known("mips")
