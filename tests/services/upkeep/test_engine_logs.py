import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from openwa_manager.domain.foreign_path import ForeignPath, of_session
from openwa_manager.domain.session.session import SessionId
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.host.logs.logfile import LogPolicy
from openwa_manager.services.upkeep import engine_logs
from openwa_manager.services.upkeep.engine_logs import EngineLogs
from tests.fakes.disk import DeadDisk
from tests.fakes.opens import noted_opens

KIB = 1024
FILES = EngineFiles()
Logs = dict[SessionId, ForeignPath]


def write(folder: Path, sizes: Mapping[str, int]) -> None:
    """Write files of these sizes, the first one the oldest."""
    for age, (name, size) in enumerate(sizes.items()):
        (folder / name).write_bytes(b"x" * size)
        os.utime(folder / name, (age, age))


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def two_logs(tmp_path: Path) -> Logs:
    return {SessionId(name): of_session(tmp_path / f"{name}.log") for name in ("a", "b")}


async def test_together_they_stay_below_their_limit_and_the_oldest_parts_go_first(
    tmp_path: Path, two_logs: Logs
) -> None:
    write(tmp_path, {"a.log.3": 100, "b.log.2": 100, "a.log.2": 100, "b.log.1": 100, "a.log": 10, "b.log": 10})

    await EngineLogs(LogPolicy(total_max_bytes=230), FILES).keep_small(two_logs, 0.0)

    assert left(tmp_path) == {"a.log.2", "b.log.1", "a.log", "b.log"}


async def test_below_the_limit_nothing_is_removed(tmp_path: Path, two_logs: Logs) -> None:
    write(tmp_path, {"a.log.1": 100, "a.log": 10})

    await EngineLogs(LogPolicy(total_max_bytes=110), FILES).keep_small(two_logs, 0.0)

    assert left(tmp_path) == {"a.log.1", "a.log"}


async def test_with_many_engines_a_log_is_rotated_before_the_live_ones_alone_fill_the_room(
    tmp_path: Path, two_logs: Logs
) -> None:
    logs = EngineLogs(LogPolicy(total_max_bytes=400 * KIB), FILES)
    write(tmp_path, {"a.log": 99 * KIB, "b.log": 100 * KIB})

    await logs.keep_small(two_logs, 0.0)

    assert left(tmp_path) == {"a.log", "b.log", "b.log.1"}
    assert (tmp_path / "b.log").stat().st_size == 0


async def test_an_engine_that_floods_its_log_never_takes_more_than_the_limit(tmp_path: Path, two_logs: Logs) -> None:
    logs = EngineLogs(LogPolicy(total_max_bytes=400 * KIB), FILES)
    for _ in range(10):
        write(tmp_path, {"a.log": 150 * KIB, "b.log": 50 * KIB})

        await logs.keep_small(two_logs, 0.0)

        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 400 * KIB


async def test_a_short_log_is_not_rotated_however_little_room_there_is(tmp_path: Path, two_logs: Logs) -> None:
    write(tmp_path, {"a.log": 9, "b.log": 0})

    await EngineLogs(LogPolicy(total_max_bytes=1), FILES).keep_small(two_logs, 0.0)

    assert left(tmp_path) == {"a.log", "b.log"}


async def test_a_session_that_comes_with_old_logs_is_counted_at_once(tmp_path: Path, two_logs: Logs) -> None:
    logs = EngineLogs(LogPolicy(total_max_bytes=100), FILES)
    await logs.keep_small({SessionId("a"): two_logs[SessionId("a")]}, 0.0)
    write(tmp_path, {"b.log.2": 80, "b.log.1": 80})

    await logs.keep_small(two_logs, 0.0)

    assert left(tmp_path) == {"b.log.1"}


async def test_what_is_no_file_and_what_cannot_be_removed_is_passed_over(tmp_path: Path, two_logs: Logs) -> None:
    (tmp_path / "a.log.3").mkdir()
    (tmp_path / "a.log.2").symlink_to(tmp_path / "kept")
    write(tmp_path, {"kept": 500, "b.log.1": 80})

    await EngineLogs(LogPolicy(total_max_bytes=50), FILES).keep_small(two_logs, 0.0)

    assert left(tmp_path) == {"a.log.3", "a.log.2", "kept"}


async def test_a_log_whose_place_is_taken_by_a_directory_is_left_and_the_others_are_rotated(
    tmp_path: Path, two_logs: Logs
) -> None:
    (tmp_path / "a.log.1").mkdir()
    (tmp_path / "a.log.1" / "mine").touch()
    write(tmp_path, {"a.log": 70 * KIB, "b.log": 70 * KIB})

    await EngineLogs(LogPolicy(total_max_bytes=200 * KIB), FILES).keep_small(two_logs, 0.0)

    assert (tmp_path / "b.log.1").stat().st_size == 70 * KIB


async def test_another_sessions_files_and_strangers_are_left_alone(tmp_path: Path, two_logs: Logs) -> None:
    write(tmp_path, {"c.log.1": 500, "a.log.gz": 500, "a.log.1": 500, "a.log": 1})

    await EngineLogs(LogPolicy(total_max_bytes=100), FILES).keep_small(two_logs, 0.0)

    assert left(tmp_path) == {"c.log.1", "a.log.gz", "a.log"}


async def test_a_log_that_grows_fast_is_looked_at_before_it_is_full(tmp_path: Path, two_logs: Logs) -> None:
    logs = EngineLogs(LogPolicy(log_max_bytes=1000 * KIB), FILES)
    write(tmp_path, {"a.log": 0, "b.log": 0})
    at_rest_s = await logs.keep_small(two_logs, 1.0)
    write(tmp_path, {"a.log": 800 * KIB, "b.log": 1})

    growing_s = await logs.keep_small(two_logs, 2.0)

    assert at_rest_s == 1.0
    assert growing_s == pytest.approx(0.25)


async def test_of_a_log_that_was_looked_at_late_only_the_end_is_kept(tmp_path: Path, two_logs: Logs) -> None:
    logs = EngineLogs(LogPolicy(log_max_bytes=1000 * KIB), FILES)
    (tmp_path / "a.log").write_bytes(b"x" * 9000 * KIB + b"the end")

    await logs.keep_small(two_logs, 0.0)

    assert (tmp_path / "a.log").stat().st_size == 0
    assert (tmp_path / "a.log.1").stat().st_size == 1000 * KIB
    assert (tmp_path / "a.log.1").read_bytes().endswith(b"the end")


async def test_a_log_on_a_dead_disk_keeps_no_other_from_being_rotated(tmp_path: Path, two_logs: Logs) -> None:
    files, disk = EngineFiles(), DeadDisk()
    logs = EngineLogs(LogPolicy(log_max_bytes=100 * KIB), files)
    await disk.hold_up(files, SessionId("a"))
    write(tmp_path, {"a.log": 200 * KIB, "b.log": 200 * KIB})

    await logs.keep_small(two_logs, 0.0)
    disk.revive()

    assert "b.log.1" in left(tmp_path)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return what is free on the disk, to be changed."""
    free_bytes = [10_000 * KIB]
    monkeypatch.setattr(engine_logs, "free_disk_bytes", lambda _: free_bytes[0])
    return free_bytes


async def test_while_the_disk_loses_no_room_the_logs_are_quiet_for_ten_seconds(two_logs: Logs, free: list[int]) -> None:
    logs = EngineLogs(LogPolicy(log_max_bytes=1000 * KIB), FILES)
    before = await logs.are_quiet(0.0)
    await logs.keep_small(two_logs, 1.0)
    free[0] -= 250 * KIB
    after, later = await logs.are_quiet(2.0), await logs.are_quiet(11.0)

    free[0] -= 1
    after_a_loss = await logs.are_quiet(3.0)

    assert (before, after, later) == (False, True, False)
    assert not after_a_loss


@pytest.mark.usefixtures("free")
async def test_on_a_dead_disk_no_log_counts_as_quiet(two_logs: Logs) -> None:
    files, disk = EngineFiles(), DeadDisk()
    logs = EngineLogs(LogPolicy(), files)
    await logs.keep_small(two_logs, 1.0)
    await disk.hold_up(files, SessionId("/logs"))

    assert not await logs.are_quiet(2.0)
    disk.revive()


async def test_a_log_behind_a_link_is_not_rotated_even_if_one_of_that_length_was_there(tmp_path: Path) -> None:
    place = of_session(tmp_path / "a").child("logs", "engine.log")
    (tmp_path / "a" / "logs").mkdir(parents=True)
    write(tmp_path / "a" / "logs", {"engine.log": 9})
    logs = EngineLogs(LogPolicy(log_max_bytes=64 * KIB), FILES)
    await logs.keep_small({SessionId("a"): place}, 0.0)

    (tmp_path / "a" / "logs").rename(tmp_path / "former")
    (tmp_path / "neighbour").mkdir()
    write(tmp_path / "neighbour", {"engine.log": 70 * KIB})
    (tmp_path / "a" / "logs").symlink_to(tmp_path / "neighbour")
    await logs.keep_small({SessionId("a"): place}, 1.0)

    assert left(tmp_path / "neighbour") == {"engine.log"}


async def test_logs_that_have_not_grown_are_seen_to_be_so_without_opening_anything(
    tmp_path: Path, two_logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = noted_opens(monkeypatch)
    write(tmp_path, {"a.log": 9, "b.log": 0})
    logs = EngineLogs(LogPolicy(), FILES)
    await logs.keep_small(two_logs, 0.0)
    assert opened != []

    opened.clear()
    await logs.keep_small(two_logs, 1.0)
    assert opened == []

    write(tmp_path, {"a.log": 10})
    await logs.keep_small(two_logs, 2.0)
    assert opened != []
