"""The watch against a real directory, a real inotify or kqueue, and writers with bad manners."""

import asyncio
import os
import resource
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import structlog

from openwa_manager.domain.foreign_path import of_session
from openwa_manager.domain.session.png import is_whole_png
from openwa_manager.host.clock import SystemClock
from openwa_manager.watcher.qr_file import write_qr
from tests.fakes.clock import FakeClock, settle
from tests.fakes.polling import until
from tests.watcher.images import png
from tests.watcher.watching import ALICE, BOB, PROBE, Watching, a_launch, made


def inotify_count() -> int:
    """Return how many watches this process has open; only Linux tells."""
    count = 0
    for info in Path("/proc/self/fdinfo").iterdir():
        with suppress(FileNotFoundError):  # the descriptor of this very listing
            count += "inotify wd:" in info.read_text()
    return count


async def test_an_image_renamed_into_place_is_seen_with_the_time_it_was_written(
    tmp_path: Path, watching: Watching
) -> None:
    async with watching(made(tmp_path / "sessions"), SystemClock(), ALICE) as seen:
        place = seen.place(ALICE)
        await seen.until_open()

        write_qr(of_session(place), png(b"a"))
        await seen.until_seen(ALICE, png(b"a"))

    written_at = (seen.root / ALICE / "qr.png").stat().st_mtime
    assert seen.last_of(ALICE).produced_at == pytest.approx(written_at, abs=0.001)


async def test_every_new_image_is_seen_once_although_it_is_also_scanned_for(tmp_path: Path, watching: Watching) -> None:
    clock = FakeClock()
    async with watching(made(tmp_path / "sessions"), clock, ALICE) as seen:
        place = seen.place(ALICE)
        await seen.until_open()
        for name in (b"a", b"b"):
            write_qr(of_session(place), png(name))
            await seen.until_seen(ALICE, png(name))

        await clock.advance(4)
        await seen.until_open()

    assert seen.of(ALICE) == [png(b"a"), png(b"b")]


async def test_a_torn_image_is_passed_over_and_the_next_whole_one_is_not(tmp_path: Path, watching: Watching) -> None:
    async with watching(made(tmp_path / "sessions"), SystemClock(), ALICE) as seen:
        place = seen.place(ALICE)
        await seen.until_open()

        (place / "qr.png").write_bytes(png(b"a")[:50])
        await seen.until_open()
        write_qr(of_session(place), png(b"b"))
        await seen.until_seen(ALICE, png(b"b"))

    assert all(is_whole_png(image) for image in seen.of(ALICE))


async def test_other_files_are_none_of_its_business(tmp_path: Path, watching: Watching) -> None:
    async with watching(made(tmp_path / "sessions"), SystemClock(), ALICE) as seen:
        nested = seen.place(ALICE) / "data"
        nested.mkdir()
        stranger = seen.root / "Not an id"
        stranger.mkdir()
        await seen.until_open()

        for place in (nested, stranger, seen.root):
            write_qr(of_session(place), png(b"x"))
        (seen.root / ALICE / "code.png").write_bytes(png(b"x"))
        await seen.until_open()

    assert {found.session_id for found in seen.seen} == {PROBE}


async def test_an_image_that_was_there_before_is_found_if_it_is_awaited(tmp_path: Path, watching: Watching) -> None:
    root = tmp_path / "sessions"
    for session_id in (ALICE, BOB):
        (root / session_id).mkdir(parents=True)
        write_qr(of_session(root / session_id), png(session_id.encode()))
    async with watching(root, SystemClock(), ALICE) as seen:
        await seen.until_seen(ALICE, png(b"alice"))
        await seen.until_open()

    assert seen.of(BOB) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is watched")
async def test_nothing_is_watched_while_no_code_is_awaited(tmp_path: Path, watching: Watching) -> None:
    async with watching(made(tmp_path / "sessions"), SystemClock(), ALICE) as seen:
        place = seen.place(ALICE)
        await seen.until_open()
        opened = inotify_count()

        seen.awaited.clear()
        seen.wake()
        await until(lambda: inotify_count() != opened)
        write_qr(of_session(place), png(b"a"))
        assert seen.of(ALICE) == []

        seen.awaited[ALICE] = a_launch()
        seen.wake()
        await seen.until_seen(ALICE, png(b"a"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is watched")
async def test_the_watch_ends_also_when_a_neighbour_leaves_as_the_last_code_is_scanned(
    tmp_path: Path, watching: Watching
) -> None:
    async with watching(made(tmp_path / "sessions"), SystemClock(), ALICE) as seen:
        neighbour = seen.place(BOB)
        await seen.until_open()
        opened = inotify_count()

        seen.awaited.clear()
        neighbour.rmdir()

        await until(lambda: inotify_count() != opened)


async def test_a_directory_made_while_its_code_is_awaited_is_watched_at_once(
    tmp_path: Path, watching: Watching
) -> None:
    async with watching(made(tmp_path / "sessions"), SystemClock(), BOB) as seen:
        await seen.until_open()
        seen.awaited[ALICE] = a_launch()
        seen.wake()
        await settle()

        write_qr(of_session(seen.place(ALICE)), png(b"a"))
        await seen.until_seen(ALICE, png(b"a"))
        write_qr(of_session(seen.place(ALICE)), png(b"b"))
        await seen.until_seen(ALICE, png(b"b"))


async def test_a_directory_that_is_replaced_is_watched_anew(tmp_path: Path, watching: Watching) -> None:
    async with watching(made(tmp_path / "sessions"), SystemClock(), ALICE) as seen:
        place = seen.place(ALICE)
        await seen.until_open()

        shutil.rmtree(place)
        for name in (b"a", b"b"):
            write_qr(of_session(seen.place(ALICE)), png(name))
            await seen.until_seen(ALICE, png(name))


async def test_an_image_that_was_removed_and_comes_back_is_seen_again(tmp_path: Path, watching: Watching) -> None:
    clock, image = FakeClock(), tmp_path / "sessions" / ALICE / "qr.png"
    async with watching(made(tmp_path / "sessions"), clock, ALICE) as seen:
        place = seen.place(ALICE)
        await seen.until_open()
        write_qr(of_session(place), png(b"a"))
        await seen.until_seen(ALICE, png(b"a"))

        image.rename(place / "aside.png")
        for _ in range(2):  # the first may be of the same batch of changes, and come before this one
            await seen.until_open()
        (place / "aside.png").rename(image)
        await seen.until(lambda: len(seen.of(ALICE)) == 2)

    assert seen.of(ALICE) == [png(b"a"), png(b"a")]


async def test_a_root_that_does_not_exist_yet_is_watched_once_it_does(tmp_path: Path, watching: Watching) -> None:
    clock = FakeClock()
    async with watching(tmp_path / "sessions", clock) as seen:
        await clock.until_sleeping(1)

        seen.root.mkdir()

        await seen.until_open(lambda: clock.advance(2))


async def test_a_root_that_is_lost_is_watched_again_when_it_reappears(tmp_path: Path, watching: Watching) -> None:
    clock = FakeClock()
    async with watching(tmp_path / "sessions", clock) as seen:
        seen.root.mkdir()
        await seen.until_open(lambda: clock.advance(2))

        shutil.rmtree(seen.root)
        await clock.advance(2)
        seen.root.mkdir()

        for _ in range(3):  # the first may still be an event of the lost root
            await seen.until_open(lambda: clock.advance(2))


@contextmanager
def no_descriptors_left(spare: int) -> Iterator[None]:
    """Use up this process's file descriptors but for a few: too few for a watch, enough to read a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/dev/fd"))  # noqa: PTH208 a Path would stay open
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 8, hard))
    held: list[int] = []
    try:
        while True:
            try:
                held.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                break
        for _ in range(spare):
            os.close(held.pop())
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.skipif(sys.platform == "darwin", reason="there it needs no more than reading does")
@pytest.mark.parametrize("watching", ["watchfiles"], indirect=True)
async def test_without_a_watch_it_warns_once_and_scans_every_second(tmp_path: Path, watching: Watching) -> None:
    clock, root = FakeClock(), tmp_path / "sessions"
    (root / ALICE).mkdir(parents=True)
    write_qr(of_session(root / ALICE), png(b"a"))
    await asyncio.to_thread(time.monotonic)  # the thread pool has its descriptors
    with structlog.testing.capture_logs() as logs, no_descriptors_left(2):
        async with watching(root, clock, ALICE) as seen:
            del seen.awaited[PROBE]  # two that are read at once need more
            await seen.until_seen(ALICE, png(b"a"))
            await clock.until_sleeping(2)  # the next look and the next try to watch

            write_qr(of_session(root / ALICE), png(b"b"))
            await clock.advance(1.1)
            await seen.until_seen(ALICE, png(b"b"))

    assert [entry["event"] for entry in logs] == ["qr_watch_unavailable"]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
@pytest.mark.parametrize("mode", [0o000, 0o300, 0o600])
async def test_an_engine_that_closes_its_directory_keeps_no_other_from_being_watched(
    tmp_path: Path, watching: Watching, mode: int
) -> None:
    root, clock = made(tmp_path / "sessions"), FakeClock()
    async with watching(root, clock, ALICE) as seen:
        closed, open_one = seen.place(ALICE), seen.place(BOB)
        await seen.until_open()
        try:
            closed.chmod(mode)
            seen.awaited[BOB] = a_launch()  # for which the watch is opened anew
            seen.wake()
            for name in (b"a", b"b", b"c"):  # the scans before and after that find two
                await clock.advance(0.05)  # for the pause before others are watched, too short for another scan
                write_qr(of_session(open_one), png(name))
                await seen.until_seen(BOB, png(name))
        finally:
            closed.chmod(0o700)
