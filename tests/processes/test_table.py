import os
import signal
import subprocess
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from openwa_manager.domain.session.session import Identity, LaunchId
from openwa_manager.processes.exits.polling import Polling
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.reading import procfs
from openwa_manager.processes.reading.identity import boot_id, identity_of, live_identity_of, start_and_death_by_psutil
from openwa_manager.processes.reading.table import (
    EngineTag,
    Process,
    ProcessTable,
    TaggedProcessTable,
    processes_by_psutil,
    read_processes,
    read_tagged_processes,
    tag_by_psutil,
)
from tests.fakes.platforms import linux_only
from tests.fakes.process import await_death, ending
from tests.processes.conftest import Stage


def process(pid: int, ppid: int) -> Process:
    return Process(pid=pid, ppid=ppid, started=pid * 10, cpu_s=0.0, rss_bytes=0)


def identity(pid: int, started: int | None = None) -> Identity:
    return Identity(boot_id=boot_id(), pid=pid, started=pid * 10 if started is None else started)


def test_descendants_are_found_over_generations_and_counted_once() -> None:
    table = ProcessTable([process(1, 0), process(2, 1), process(3, 2), process(4, 2), process(5, 1)])

    found = table.descendants([identity(2), identity(3)])

    assert sorted(each.pid for each in found) == [2, 3, 4]


def test_a_root_whose_pid_passed_to_another_has_no_descendants() -> None:
    table = ProcessTable([process(2, 1), process(3, 2)])

    assert table.descendants([identity(2, started=19), identity(9)]) == []


def test_a_table_with_a_circle_in_it_is_read_to_its_end() -> None:
    table = ProcessTable([process(2, 3), process(3, 2)])

    assert len(table.descendants([identity(2)])) == 2


def test_our_own_process_is_in_no_table() -> None:
    assert os.getpid() not in {each.pid for each in read_processes()}


@linux_only("reads /proc")
def test_a_name_with_spaces_and_parentheses_is_read_over(tmp_path: Path) -> None:
    program = tmp_path / "a) R 1 (b"
    program.symlink_to("/bin/sleep")
    with ending(subprocess.Popen([program, "1000"])) as sleeper:
        stat = procfs.read_stat(sleeper.pid)
        sleeper.kill()

    assert stat is not None
    assert stat.ppid == os.getpid()
    assert not stat.is_dead


@linux_only("reads /proc")
def test_a_file_larger_than_one_read_is_read_whole() -> None:
    with ending(subprocess.Popen(["sleep", "1000"], env={"BIG": "x" * 100_000})) as sleeper:
        while procfs.read(f"/proc/{sleeper.pid}/comm") != b"sleep\n":
            pass
        while not (content := procfs.read(f"/proc/{sleeper.pid}/environ")):  # a new program has its name before these
            pass
        sleeper.kill()

    assert content == b"BIG=" + b"x" * 100_000 + b"\0"


@linux_only("reads /proc")
def test_a_process_that_dies_between_opening_and_reading_is_gone() -> None:
    assert procfs.read("/proc/self/task/999999999/stat") is None


def test_a_zombie_has_an_identity_but_no_life() -> None:
    child = subprocess.Popen(["sleep", "1000"])
    before = live_identity_of(child.pid)
    child.send_signal(signal.SIGKILL)
    await_death(child.pid)

    assert live_identity_of(child.pid) is None
    assert identity_of(child.pid) == before
    assert child.pid not in {each.pid for each in read_processes()}
    child.wait(10)
    assert identity_of(child.pid) is None


async def test_psutil_sees_the_same_processes_and_marks(launcher: HostLauncher, stage: Stage) -> None:
    """The way of systems without /proc, tried where both ways exist."""
    profile = f"--user-data-dir={stage.directory}/profile"
    engine = await launcher.launch(stage.python("tell(os.getpid()); wait_for_ever()", profile))
    await stage.told()

    ours = {each.pid: each for each in read_processes()}[engine.pid]
    theirs = {each.pid: each for each in processes_by_psutil()}[engine.pid]
    mark = tag_by_psutil(engine.pid)

    assert (theirs.pid, theirs.ppid, theirs.started) == (ours.pid, ours.ppid, ours.started)
    assert theirs.rss_bytes == pytest.approx(ours.rss_bytes, rel=0.2)
    assert mark is not None
    assert mark.launch_id == stage.launch_id
    assert mark.user_data_dir == stage.directory / "profile"
    assert tag_by_psutil(999_999_999) is None


def test_psutil_tells_start_and_death_where_nothing_better_does() -> None:
    with ending(subprocess.Popen(["sleep", "1000"])) as child:
        first, again = start_and_death_by_psutil(child.pid), start_and_death_by_psutil(child.pid)
        child.kill()

    assert first is not None
    assert first == again
    assert not first[1]
    assert start_and_death_by_psutil(child.pid) is None


async def test_a_relative_profile_belongs_to_nobody(stage: Stage) -> None:
    stage.orphan("tell(os.getpid()); wait_for_ever()", "--user-data-dir=profile")
    await stage.told()

    assert read_tagged_processes().in_directory(Path.cwd()) == []


async def test_a_profile_reached_through_a_link_is_in_its_real_directory(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(stage.directory)
    browser = stage.orphan("tell(os.getpid()); wait_for_ever()", f"--user-data-dir={tmp_path}/link/profile")
    await stage.told()

    assert [each.identity for each in read_tagged_processes().in_directory(stage.directory)] == [browser]
    assert [each.identity for each in read_tagged_processes().in_directory(tmp_path / "link")] == [browser]


def test_polling_takes_only_the_very_process() -> None:
    here = identity_of(os.getpid())
    assert here is not None

    assert Polling().watch(here, lambda: None)
    assert not Polling().watch(identity(os.getpid(), started=1), lambda: None)


class _NeverWalked(TaggedProcessTable):
    """A table that may be walked through while it is made, and never again."""

    is_made = False

    def __iter__(self) -> Iterator[Process]:
        assert not self.is_made, "walked through for one session"
        return super().__iter__()


def test_what_is_asked_of_one_session_walks_through_no_other(tmp_path: Path) -> None:
    def tag(pid: int) -> EngineTag:
        profile = tmp_path / f"user_{pid}" / "data" / "profile"
        return EngineTag(launch_id=LaunchId(f"launch {pid}"), lock=f"/locks/user_{pid}", user_data_dir=profile)

    table = _NeverWalked([process(pid, 1) for pid in range(2, 200)], tag)
    table.is_made = True

    mine, own = process(7, 1), LaunchId("launch 7")
    assert table.of_launch(own) == [mine]
    assert table.in_directory(tmp_path / "user_7") == [mine]
    assert table.in_directory(tmp_path / "user_7", LaunchId("launch 8")) == []
    assert table.in_directory(tmp_path / "user_7" / "dat") == []
    assert table.has_holders({"user_7"})
    assert table.holding(["/locks/user_7"], own) == [mine]
    assert table.holding(["/locks/user_7"], LaunchId("launch 8")) == []
    assert not table.has_holders({"user_1000"})
    assert table.descendants([mine.identity]) == [mine]
    assert table.in_session(mine.identity) == []
    assert table.of_mark(1) == table.strays() == []


def test_a_profile_that_lies_deep_takes_no_more_memory_than_its_path(tmp_path: Path) -> None:
    deep = tmp_path / "user_7" / ("a/b/" * 900)
    tag = EngineTag(launch_id=None, lock="", user_data_dir=deep)

    tracemalloc.start()
    try:
        table = TaggedProcessTable([process(pid, 1) for pid in range(2, 12)], lambda _: tag)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_bytes < 100 * len(str(deep))
    assert len(table.in_directory(tmp_path / "user_7")) == 10


@pytest.mark.parametrize(("length", "count"), [(4096, 1), (4097, 0)])
async def test_a_profile_longer_than_any_path_is_nobodys(stage: Stage, length: int, count: int) -> None:
    profile = f"{stage.directory}/".ljust(length, "x")
    stage.orphan("tell(os.getpid()); wait_for_ever()", f"--user-data-dir={profile}")
    await stage.told()

    assert len(read_tagged_processes().in_directory(stage.directory)) == count
