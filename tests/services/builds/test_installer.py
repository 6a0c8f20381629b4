"""What strangers made of a build costs that build, and never the daemon."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from openwa_manager.domain.builds.builds import Build, BuildName, BuildState, FolderSource
from openwa_manager.domain.errors import ConflictError
from openwa_manager.domain.session.session import LaunchId
from openwa_manager.host.builds.trees import remove_tree
from openwa_manager.services.builds.installer import BUILDS_MAX
from openwa_manager.store.builds.builds import load_builds
from openwa_manager.store.database import Database
from tests.e2e.builds.trees import write_built
from tests.fakes.deep import write_deep
from tests.fakes.polling import until
from tests.services.builds.conftest import Rig


async def test_what_an_earlier_daemon_left_is_removed_however_deep(make_rig: Callable[[], Rig]) -> None:
    rig = make_rig()
    write_deep(rig.folder / ".install-x", 1200)

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(rig.installer.run())
        await until(lambda: rig.names == [])
        running.cancel()


async def test_a_tree_that_is_too_deep_fails_and_the_next_is_installed(rig: Rig) -> None:
    deep, good = write_built(rig.outside / "deep", "0.23.0"), write_built(rig.outside / "good", "0.23.1")
    write_deep(deep / "node_modules" / "x", 1200)

    await rig.installer.install(BuildName("deep"), FolderSource(deep))
    await rig.installer.install(BuildName("good"), FolderSource(good))

    assert "larger than a build may be" in str((await rig.until_over("deep")).error)
    assert (await rig.until_over("good")).state is BuildState.READY
    assert rig.names == ["good"]
    remove_tree(deep)  # Python cannot


async def test_a_bug_of_ours_fails_a_build_and_not_the_daemon(rig: Rig) -> None:
    await rig.installer.install(BuildName("bad"), FolderSource(Path("/proc/\0")))  # no path: a ValueError
    await rig.installer.install(BuildName("good"), FolderSource(write_built(rig.outside / "good", "0.23.1")))

    assert (await rig.until_over("bad")).error == "an error of this program, of which its log says more"
    assert (await rig.until_over("good")).state is BuildState.READY


async def outcome(asked: Awaitable[Build]) -> Build | ConflictError:
    try:
        return await asked
    except ConflictError as refused:
        return refused


async def all_at_once(asked: Sequence[Awaitable[Build]]) -> list[Build | ConflictError]:
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(outcome(each)) for each in asked]
    return [each.result() for each in running]


async def test_a_name_is_given_once_and_so_is_a_place_in_the_queue(make_rig: Callable[[], Rig]) -> None:
    rig = make_rig()
    source = FolderSource(write_built(rig.outside / "good", "0.23.1"))

    same = await all_at_once([rig.installer.install(BuildName("a"), source) for _ in range(3)])
    more = await all_at_once([rig.installer.install(BuildName(f"b{each}"), source) for each in range(12)])

    assert [type(each) for each in same] == [Build, ConflictError, ConflictError]
    accepted = [each for each in more if isinstance(each, Build)]
    assert len(accepted) == 8
    assert sorted(each.name for each in rig.catalog) == ["a", *(each.name for each in accepted)]


async def test_failed_builds_too_count_among_those_that_there_may_be(rig: Rig) -> None:
    missing = FolderSource(rig.outside / "missing")
    await rig.installer.install(BuildName("bad"), missing)
    failed = await rig.until_over("bad")
    for number in range(1, BUILDS_MAX):
        await rig.catalog.save(replace(failed, name=BuildName(f"bad{number}"), install_id=LaunchId(f"{number}")))

    with pytest.raises(ConflictError, match="remove some first"):
        await rig.installer.install(BuildName("one_more"), missing)

    await rig.installer.install(BuildName("bad"), missing)  # again, in its old place
    assert (await rig.until_over("bad")).state is BuildState.FAILED


async def test_a_folder_that_nobody_recorded_is_seen_before_the_work(rig: Rig) -> None:
    (rig.folder / "a").mkdir()

    with pytest.raises(ConflictError, match="is there already"):
        await rig.installer.install(BuildName("a"), FolderSource(rig.outside))

    assert list(rig.catalog) == []


def write_large(folder: Path) -> FolderSource:
    write_built(folder, "0.23.1")
    for number in range(3000):
        (folder / "node_modules" / f"{number}").touch()
    return FolderSource(folder)


async def test_one_that_is_given_up_leaves_nothing_though_nobody_waits_for_it(rig: Rig) -> None:
    source = write_large(rig.outside / "large")
    await rig.installer.install(BuildName("a"), source)
    await until(lambda: rig.names != [])

    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(rig.installer.give_up(BuildName("a")))
        await asyncio.sleep(0)
        asking.cancel()

    await until(lambda: rig.catalog.find(BuildName("a")) is None)
    assert rig.names == []
    await rig.installer.install(BuildName("a"), source)
    assert (await rig.until_over("a")).state is BuildState.READY


async def test_one_whose_caller_leaves_while_it_is_recorded_leaves_no_record(
    rig: Rig, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = FolderSource(write_built(rig.outside / "good", "0.23.1"))
    busy, done, asked = Event(), Event(), asyncio.Event()
    save = rig.catalog.save

    async def noted_save(build: Build) -> None:
        asked.set()
        await save(build)

    def hold(_: object) -> None:
        busy.set()
        done.wait(10)

    monkeypatch.setattr(rig.catalog, "save", noted_save)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(database.write(hold))
        await asyncio.to_thread(busy.wait, 10)
        asking = tasks.create_task(rig.installer.install(BuildName("a"), source))
        await asked.wait()
        await asyncio.sleep(0)  # it waits for the disk now
        asking.cancel()
        await asyncio.sleep(0)
        done.set()

    await database.write(lambda _: None)  # behind what was being written
    assert await database.read(load_builds) == []
    await rig.installer.install(BuildName("a"), source)
    assert (await rig.until_over("a")).state is BuildState.READY


async def test_one_that_is_given_up_and_cannot_be_removed_has_failed_at_once(rig: Rig) -> None:
    source = write_large(rig.outside / "large")
    await rig.installer.install(BuildName("a"), source)
    await until((rig.folder / "a").exists)
    install_id = rig.catalog.get(BuildName("a")).install_id
    (rig.folder / f".removed-{install_id}").write_text("in the way")

    with pytest.raises(NotADirectoryError):
        await rig.installer.give_up(BuildName("a"))

    left = rig.catalog.get(BuildName("a"))
    assert left.state is BuildState.FAILED
    assert "it was given up, but not removed" in str(left.error)
    (rig.folder / f".removed-{install_id}").unlink()
    await rig.installer.give_up(BuildName("a"))
    assert rig.catalog.find(BuildName("a")) is None
    assert rig.names == []


async def test_one_that_is_given_up_when_it_is_in_place_already_leaves_nothing(rig: Rig) -> None:
    source = write_large(rig.outside / "large")
    await rig.installer.install(BuildName("a"), source)
    await until((rig.folder / "a").exists)
    assert rig.catalog.get(BuildName("a")).state is BuildState.INSTALLING

    await rig.installer.give_up(BuildName("a"))

    assert rig.names == []
    assert rig.catalog.find(BuildName("a")) is None


async def test_the_last_of_the_disk_is_left_to_engines(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(min_free_disk_bytes=1 << 60)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(rig.installer.run())
        await rig.installer.install(BuildName("a"), FolderSource(write_built(rig.outside / "good", "0.23.1")))
        ended = await rig.until_over("a")
        running.cancel()

    assert "min_free_disk_bytes" in str(ended.error)
    assert rig.names == []


async def test_a_build_whose_folder_is_gone_can_be_installed_again(rig: Rig, make_rig: Callable[..., Rig]) -> None:
    source = FolderSource(write_built(rig.outside / "good", "0.23.1"))
    await rig.installer.install(BuildName("a"), source)
    await rig.until_over("a")
    remove_tree(rig.folder / "a")

    later = make_rig()
    await later.catalog.load()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(later.installer.run())
        await until(lambda: later.catalog.get(BuildName("a")).state is BuildState.FAILED)
        assert "its folder is gone" in str(later.catalog.get(BuildName("a")).error)
        await later.installer.install(BuildName("a"), source)
        assert (await later.until_over("a")).state is BuildState.READY
        running.cancel()
