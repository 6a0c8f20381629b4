"""Which numbers of the range engines are given."""

import socket
from contextlib import ExitStack

import pytest

from openwa_manager.domain.errors import PortInUseError
from openwa_manager.domain.session.session import SessionId
from openwa_manager.processes.ports import PortPool
from tests.fakes.ports import free_ports

ONE, TWO, THREE = SessionId("one"), SessionId("two"), SessionId("three")


def a_range() -> tuple[int, int]:
    """Return two numbers in a row on which nobody listens."""
    while True:
        first = free_ports(1)[0]
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", first + 1)):
                return first, first + 1


def test_numbers_are_given_in_turn_and_none_twice() -> None:
    first, last = a_range()
    pool = PortPool(first, last)

    assert [pool.take(ONE, listens=True), pool.take(TWO, listens=False)] == [first, last]


def test_an_engine_on_a_socket_is_stopped_by_no_lack_of_numbers() -> None:
    first, last = a_range()
    pool = PortPool(first, last)
    pool.take(ONE, listens=True)
    pool.take(TWO, listens=True)

    assert pool.take(THREE, listens=False) in (first, last)


def test_an_engine_that_listens_may_share_the_number_of_one_on_a_socket() -> None:
    first, last = a_range()
    pool = PortPool(first, last)
    pool.hold(ONE, first, listens=True)
    pool.take(TWO, listens=False)

    assert pool.take(THREE, listens=True) == last


def test_an_engine_that_listens_waits_while_others_listen_everywhere() -> None:
    first, last = a_range()
    pool = PortPool(first, last)
    pool.take(ONE, listens=True)
    pool.take(TWO, listens=True)

    with pytest.raises(PortInUseError, match=f"no free port in {first}-{last}"):
        pool.take(THREE, listens=True)


def test_a_number_on_which_a_stranger_listens_is_passed_over() -> None:
    first, last = a_range()
    with socket.create_server(("127.0.0.1", first)):
        assert PortPool(first, last).take(ONE, listens=False) == last


def test_a_number_given_back_is_given_again() -> None:
    first = free_ports(1)[0]
    pool = PortPool(first, first)
    pool.take(ONE, listens=True)

    pool.give_back(ONE)

    assert pool.take(TWO, listens=True) == first


def test_a_number_that_could_be_bound_beside_a_listener_on_all_addresses_is_passed_over() -> None:
    first, last = a_range()
    with socket.create_server(("0.0.0.0", first)):  # noqa: S104 (what a stranger does)
        pool = PortPool(first, last, bind=lambda _: True)  # as on macOS

        assert pool.take(ONE, listens=True) == last


def test_a_number_whose_listener_takes_no_more_callers_is_passed_over() -> None:
    first, last = a_range()
    with socket.create_server(("127.0.0.1", first), backlog=0), ExitStack() as callers:
        for _ in range(3):
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(("127.0.0.1", first))
        pool = PortPool(first, last, bind=lambda _: True)

        assert pool.take(ONE, listens=True) == last
