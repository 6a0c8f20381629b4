import os
import resource
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

if sys.platform != "linux":
    pytest.skip("only Linux has this limit", allow_module_level=True)

from openwa_manager.domain.session.session import LaunchId
from openwa_manager.processes.marks import is_whole, mark_of, read


@given(launch=st.uuids(), other=st.uuids())
def test_two_launches_have_two_marks(launch: object, other: object) -> None:
    first, second = mark_of(LaunchId(str(launch))), mark_of(LaunchId(str(other)))

    assert (first == second) is (launch == other)
    assert is_whole(first)
    assert 0 < first < 2**62


def test_a_mark_that_was_lowered_is_none() -> None:
    assert not is_whole(mark_of(LaunchId("x")) >> 1)
    assert not is_whole(0)


def test_a_mark_is_lowered_and_not_raised() -> None:
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setgroups([]) if os.geteuid() == 0 else None
        os.setuid(65534) if os.geteuid() == 0 else None
        resource.prlimit(0, 15, (1000, 1000))
        try:
            resource.prlimit(0, 15, (1001, 1001))
            os.write(writer, b"raised")
        except (PermissionError, ValueError):
            os.write(writer, b"kept")
        os._exit(0)
    os.close(writer)

    assert os.read(reader, 10) == b"kept"
    os.close(reader)


def test_of_a_process_that_is_gone_there_is_no_mark() -> None:
    assert read(2**22 + 1) is None
