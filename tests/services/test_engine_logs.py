import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from openwa_manager.services.housekeeping import EngineLogs


def write(folder: Path, sizes: Mapping[str, int]) -> None:
    """Write files of these sizes, the first one the oldest."""
    for age, (name, size) in enumerate(sizes.items()):
        (folder / name).write_bytes(b"x" * size)
        os.utime(folder / name, (age, age))


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def two_logs(tmp_path: Path) -> list[Path]:
    return [tmp_path / "a.log", tmp_path / "b.log"]


def test_together_they_stay_below_their_limit_and_the_oldest_parts_go_first(
    tmp_path: Path, two_logs: list[Path]
) -> None:
    write(tmp_path, {"a.log.3": 100, "b.log.2": 100, "a.log.2": 100, "b.log.1": 100, "a.log": 10, "b.log": 10})

    EngineLogs(lambda: two_logs, 230).keep_small()

    assert left(tmp_path) == {"a.log.2", "b.log.1", "a.log", "b.log"}


def test_below_the_limit_nothing_is_removed(tmp_path: Path, two_logs: list[Path]) -> None:
    write(tmp_path, {"a.log.1": 100, "a.log": 10})

    EngineLogs(lambda: two_logs, 110).keep_small()

    assert left(tmp_path) == {"a.log.1", "a.log"}


def test_with_many_engines_a_log_is_rotated_before_the_live_ones_alone_fill_the_room(
    tmp_path: Path, two_logs: list[Path]
) -> None:
    logs = EngineLogs(lambda: two_logs, 400)
    write(tmp_path, {"a.log": 99, "b.log": 100})

    logs.keep_small()

    assert left(tmp_path) == {"a.log", "b.log", "b.log.1"}
    assert (tmp_path / "b.log").stat().st_size == 0


def test_an_engine_that_floods_its_log_never_takes_more_than_the_limit(tmp_path: Path, two_logs: list[Path]) -> None:
    logs = EngineLogs(lambda: two_logs, 400)
    for _ in range(10):
        write(tmp_path, {"a.log": 150, "b.log": 50})

        logs.keep_small()

        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 400


def test_another_sessions_files_and_strangers_are_left_alone(tmp_path: Path, two_logs: list[Path]) -> None:
    write(tmp_path, {"c.log.1": 500, "a.log.gz": 500, "a.log.1": 500, "a.log": 1})

    EngineLogs(lambda: two_logs, 100).keep_small()

    assert left(tmp_path) == {"c.log.1", "a.log.gz", "a.log"}
