import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.processes.confinement.landlock import (
    ALL,
    Access,
    NetAccess,
    PathRule,
    Scope,
    abi,
    handled_by,
    restrict_thread,
    ruleset,
)

ABIS = range(1, 10)


def open_descriptors() -> set[str]:
    return {path.name for path in Path("/dev/fd").iterdir()}


@pytest.mark.parametrize(
    ("version", "files"),
    [(1, 0x1FFF), (2, 0x3FFF), (3, 0x7FFF), (4, 0x7FFF), (5, 0xFFFF), (6, 0xFFFF), (7, 0xFFFF), (99, 0xFFFF)],
)
def test_each_abi_handles_what_its_documentation_lists(version: int, files: int) -> None:
    handled = handled_by(version)

    assert handled.files == files
    assert handled.ports == (3 if version >= 4 else 0)
    assert handled.scopes == (3 if version >= 6 else 0)


@pytest.mark.parametrize(("version", "size"), [(1, 8), (3, 8), (4, 16), (5, 16), (6, 24), (7, 24)])
def test_a_kernel_is_told_no_field_that_it_does_not_know(version: int, size: int) -> None:
    packed = handled_by(version).pack()

    assert len(packed) == size
    assert struct.unpack_from("=Q", packed)[0] == handled_by(version).files


@given(older=st.sampled_from(ABIS), newer=st.sampled_from(ABIS))
def test_a_newer_abi_handles_no_less(older: int, newer: int) -> None:
    low, high = handled_by(min(older, newer)), handled_by(max(older, newer))

    assert low.files in high.files
    assert low.ports in high.ports
    assert low.scopes in high.scopes


def test_the_rights_are_numbered_as_the_kernel_numbers_them() -> None:
    assert [right.value for right in Access] == [1 << bit for bit in range(16)]
    assert ALL == 0xFFFF
    assert (NetAccess.BIND, NetAccess.CONNECT) == (1, 2)
    assert (Scope.ABSTRACT_UNIX_SOCKET, Scope.SIGNAL) == (1, 2)


@pytest.mark.skipif(not abi(), reason="this kernel has no Landlock")
def test_a_path_that_is_needed_and_missing_stops_the_launch(tmp_path: Path) -> None:
    rule = PathRule(path=tmp_path / "gone", access=Access.READ_FILE, is_needed=True)

    with pytest.raises(FileNotFoundError), ruleset(handled_by(abi()), [rule], []):
        pass


@pytest.mark.skipif(not abi(), reason="this kernel has no Landlock")
def test_a_link_in_the_place_of_what_is_needed_opens_nothing(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    rule = PathRule(path=tmp_path / "link", access=ALL, is_needed=True)

    with pytest.raises(OSError, match="symbolic links"), ruleset(handled_by(abi()), [rule], []):
        pass


@pytest.mark.skipif(not abi(), reason="this kernel has no Landlock")
def test_rules_leave_no_descriptor_open(tmp_path: Path) -> None:
    before = open_descriptors()

    with ruleset(handled_by(abi()), [PathRule(path=tmp_path, access=ALL)], []):
        pass

    assert open_descriptors() == before


def test_a_thread_is_not_restricted_by_something_else_than_rules() -> None:
    with Path(os.devnull).open() as no_rules, pytest.raises(OSError, match="Landlock"):
        restrict_thread(no_rules.fileno())
