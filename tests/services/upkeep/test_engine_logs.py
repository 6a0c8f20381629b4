import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from openwa_manager.domain.foreign_path import ForeignPath, of_session
from openwa_manager.host.logfile import LogPolicy
from openwa_manager.services.upkeep.housekeeping import EngineLogs

KIB = 1024


def write(folder: Path, sizes: Mapping[str, int]) -> None:
    """Write files of these sizes, the first one the oldest."""
    for age, (name, size) in enumerate(sizes.items()):
        (folder / name).write_bytes(b"x" * size)
        os.utime(folder / name, (age, age))


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def two_logs(tmp_path: Path) -> list[ForeignPath]:
    return [of_session(tmp_path / "a.log"), of_session(tmp_path / "b.log")]


def test_together_they_stay_below_their_limit_and_the_oldest_parts_go_first(
    tmp_path: Path, two_logs: list[ForeignPath]
) -> None:
    write(tmp_path, {"a.log.3": 100, "b.log.2": 100, "a.log.2": 100, "b.log.1": 100, "a.log": 10, "b.log": 10})

    EngineLogs(LogPolicy(total_max_bytes=230)).keep_small(two_logs)

    assert left(tmp_path) == {"a.log.2", "b.log.1", "a.log", "b.log"}


def test_below_the_limit_nothing_is_removed(tmp_path: Path, two_logs: list[ForeignPath]) -> None:
    write(tmp_path, {"a.log.1": 100, "a.log": 10})

    EngineLogs(LogPolicy(total_max_bytes=110)).keep_small(two_logs)

    assert left(tmp_path) == {"a.log.1", "a.log"}


def test_with_many_engines_a_log_is_rotated_before_the_live_ones_alone_fill_the_room(
    tmp_path: Path, two_logs: list[ForeignPath]
) -> None:
    logs = EngineLogs(LogPolicy(total_max_bytes=400 * KIB))
    write(tmp_path, {"a.log": 99 * KIB, "b.log": 100 * KIB})

    logs.keep_small(two_logs)

    assert left(tmp_path) == {"a.log", "b.log", "b.log.1"}
    assert (tmp_path / "b.log").stat().st_size == 0


def test_an_engine_that_floods_its_log_never_takes_more_than_the_limit(
    tmp_path: Path, two_logs: list[ForeignPath]
) -> None:
    logs = EngineLogs(LogPolicy(total_max_bytes=400 * KIB))
    for _ in range(10):
        write(tmp_path, {"a.log": 150 * KIB, "b.log": 50 * KIB})

        logs.keep_small(two_logs)

        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 400 * KIB


def test_a_short_log_is_not_rotated_however_little_room_there_is(tmp_path: Path, two_logs: list[ForeignPath]) -> None:
    write(tmp_path, {"a.log": 9, "b.log": 0})

    EngineLogs(LogPolicy(total_max_bytes=1)).keep_small(two_logs)

    assert left(tmp_path) == {"a.log", "b.log"}


def test_a_session_that_comes_with_old_logs_is_counted_at_once(tmp_path: Path, two_logs: list[ForeignPath]) -> None:
    logs = EngineLogs(LogPolicy(total_max_bytes=100))
    logs.keep_small(two_logs[:1])
    write(tmp_path, {"b.log.2": 80, "b.log.1": 80})

    logs.keep_small(two_logs)

    assert left(tmp_path) == {"b.log.1"}


def test_what_is_no_file_and_what_cannot_be_removed_is_passed_over(tmp_path: Path, two_logs: list[ForeignPath]) -> None:
    (tmp_path / "a.log.3").mkdir()
    (tmp_path / "a.log.2").symlink_to(tmp_path / "kept")
    write(tmp_path, {"kept": 500, "b.log.1": 80})

    EngineLogs(LogPolicy(total_max_bytes=50)).keep_small(two_logs)

    assert left(tmp_path) == {"a.log.3", "a.log.2", "kept"}


def test_a_log_whose_place_is_taken_by_a_directory_is_left_and_the_others_are_rotated(
    tmp_path: Path, two_logs: list[ForeignPath]
) -> None:
    (tmp_path / "a.log.1").mkdir()
    (tmp_path / "a.log.1" / "mine").touch()
    write(tmp_path, {"a.log": 70 * KIB, "b.log": 70 * KIB})

    EngineLogs(LogPolicy(total_max_bytes=200 * KIB)).keep_small(two_logs)

    assert (tmp_path / "b.log.1").stat().st_size == 70 * KIB


def test_another_sessions_files_and_strangers_are_left_alone(tmp_path: Path, two_logs: list[ForeignPath]) -> None:
    write(tmp_path, {"c.log.1": 500, "a.log.gz": 500, "a.log.1": 500, "a.log": 1})

    EngineLogs(LogPolicy(total_max_bytes=100)).keep_small(two_logs)

    assert left(tmp_path) == {"c.log.1", "a.log.gz", "a.log"}
