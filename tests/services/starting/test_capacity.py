"""Whether the host has room for one more engine."""

from pathlib import Path

import pytest

from openwa_manager.domain.session.reasons import NotEnoughFree, ReasonCode, Words
from openwa_manager.services.starting.capacity import HostCapacity

_MORE_THAN_THERE_IS = 1 << 60


def capacity(tmp_path: Path, *, memory: int = 1, disk: int = 1, pressure: int | None = None) -> HostCapacity:
    return HostCapacity(disk=tmp_path, min_memory_bytes=memory, min_disk_bytes=disk, pressure=lambda: pressure)


@pytest.mark.parametrize("pressure", [None, 1])
def test_an_engine_may_start_where_there_is_room(tmp_path: Path, pressure: int | None) -> None:
    assert capacity(tmp_path, pressure=pressure).find_shortage() is None


@pytest.mark.parametrize("pressure", [2, 4])
def test_no_engine_starts_once_the_system_says_that_memory_is_short(tmp_path: Path, pressure: int) -> None:
    shortage = capacity(tmp_path, pressure=pressure).find_shortage()

    assert shortage is not None
    assert shortage.code is ReasonCode.MEMORY_LOW
    assert isinstance(shortage.facts, Words)
    assert f"pressure level {pressure}" in shortage.facts.text


def test_a_shortage_names_what_is_kept_free(tmp_path: Path) -> None:
    of_memory = capacity(tmp_path, memory=_MORE_THAN_THERE_IS, pressure=1).find_shortage()
    of_disk = capacity(tmp_path, disk=_MORE_THAN_THERE_IS).find_shortage()

    assert of_memory is not None
    assert isinstance(of_memory.facts, NotEnoughFree)
    assert of_memory.facts.min_free_bytes == _MORE_THAN_THERE_IS // 4
    assert of_disk is not None
    assert of_disk.code is ReasonCode.DISK_FULL
