from pathlib import Path

import pytest

from openwa_manager.services.diagnosis.host import (
    Floors,
    Reach,
    descriptors_finding,
    judge_descriptors,
    judge_room,
    reach_findings,
    room_finding,
)


@pytest.mark.parametrize(
    ("by_memory", "by_disk", "code", "said"),
    [
        (23, 400, "room", "room for 23 more sessions"),
        (400, 3, "room", "room for 3 more sessions"),
        (2, 400, "room_short", "room for 2 more sessions: memory for 2 (250 MB each, as measured)"),
        (0, 0, "room_short", "room for 0 more"),
    ],
)
def test_room_is_what_the_scarcer_of_memory_and_disk_allows(by_memory: int, by_disk: int, code: str, said: str) -> None:
    finding = judge_room(by_memory, by_disk, 250_000_000, is_measured=True)

    assert finding.code == code
    assert said in finding.detail


def test_this_hosts_room_is_measured(tmp_path: Path) -> None:
    none = room_finding(Floors(disk=tmp_path / "not" / "yet", memory_bytes=2**60, disk_bytes=0), ())
    large = room_finding(Floors(disk=tmp_path, memory_bytes=0, disk_bytes=0), (2**50, 2**50))
    some = room_finding(Floors(disk=tmp_path, memory_bytes=0, disk_bytes=0), ())

    assert "memory for 0 (250 MB each, as a rule)" in none.detail
    assert "memory for 0 (1125899906 MB each, as measured)" in large.detail
    assert "memory for 0 " not in some.detail


@pytest.mark.parametrize(
    ("open_count", "limit", "code"),
    [
        (40, 1024, "descriptors"),
        (1015, 1024, "descriptors_short"),
        (2000, 1024, "descriptors_short"),
        (9, None, "descriptors"),
    ],
)
def test_open_files_are_counted_in_sessions(open_count: int, limit: int | None, code: str) -> None:
    assert judge_descriptors(open_count, limit).code == code


def test_this_process_knows_its_open_files() -> None:
    assert "files are open" in descriptors_finding().detail


@pytest.mark.parametrize(
    ("reach", "code"),
    [
        (Reach(is_loopback=True, names=(), knows_callers=True), "reach_local"),
        (Reach(is_loopback=True, names=("wa.example.com",), knows_callers=True), "reach"),
        (Reach(is_loopback=False, names=(), knows_callers=False), "reach"),
        (Reach(is_loopback=True, names=("wa.example.com",), knows_callers=False), "reach_callers"),
    ],
)
def test_who_is_called_from_elsewhere_must_have_a_name_and_know_for_whom_a_proxy_asks(reach: Reach, code: str) -> None:
    assert [each.code for each in reach_findings(reach)] == [code]
