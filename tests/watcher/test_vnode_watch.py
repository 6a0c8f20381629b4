"""What only macOS's watch does: a descriptor for each directory, and looks at what it is not told."""

import errno
import sys
from pathlib import Path

import pytest
import structlog

from openwa_manager.domain.foreign_path import of_session
from openwa_manager.host.clock import SystemClock
from openwa_manager.watcher.qr_file import write_qr
from tests.fakes.clock import FakeClock
from tests.fakes.file_limit import open_descriptors
from tests.fakes.polling import until
from tests.watcher.images import png
from tests.watcher.watching import ALICE, BOB, PROBE, Collector, a_launch, made, watching_by

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the real queue does not tell what is watched")

watching = watching_by("vnode")


def watched(seen: Collector) -> set[int]:
    """Return the descriptors of all directories that are watched now."""
    return {fd for queue in seen.kernel.queues if not queue.is_closed for fd in queue.directories.registered}


async def until_watched(seen: Collector, count: int) -> set[int]:
    await until(lambda: len(watched(seen)) == count)
    return watched(seen)


async def test_to_await_one_more_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    async with watching(made(tmp_path / "sessions"), SystemClock()) as seen:
        for session_id in (PROBE, ALICE):
            seen.place(session_id)
        before = await until_watched(seen, 2)  # the root's is one of them

        seen.awaited[ALICE] = a_launch()
        seen.wake()
        after = await until_watched(seen, 3)
        del seen.awaited[ALICE]
        seen.wake()
        at_last = await until_watched(seen, 2)

    assert before < after
    assert at_last == before
    assert len(seen.kernel.queues) == 1


async def test_descriptors_are_given_back_once_nobody_is_awaited_and_when_it_ends(tmp_path: Path) -> None:
    before = open_descriptors()
    async with watching(made(tmp_path / "sessions"), SystemClock()) as seen:
        seen.place(PROBE)
        await until_watched(seen, 2)

        seen.awaited.clear()
        seen.wake()
        await until_watched(seen, 0)
        in_between = open_descriptors()
        seen.awaited[PROBE] = a_launch()
        seen.wake()
        await until_watched(seen, 2)

    assert in_between == before
    assert open_descriptors() == before


async def test_an_image_rewritten_in_place_is_found_within_half_a_second(tmp_path: Path) -> None:
    clock = FakeClock()
    async with watching(made(tmp_path / "sessions"), clock, ALICE) as seen:
        image = seen.place(ALICE) / "qr.png"
        image.write_bytes(png(b"a"))
        await seen.until_open()
        await seen.until_seen(ALICE, png(b"a"))

        image.write_bytes(png(b"b"))
        await clock.advance(0.5)
        await seen.until_seen(ALICE, png(b"b"))

    assert seen.of(ALICE) == [png(b"a"), png(b"b")]


async def test_what_is_put_in_place_of_a_directory_is_not_opened_and_stops_no_other(tmp_path: Path) -> None:
    async with watching(made(tmp_path / "sessions"), SystemClock(), ALICE, BOB) as seen:
        outside = tmp_path / "outside"
        outside.mkdir()
        for session_id in (PROBE, BOB):
            seen.place(session_id)
        (seen.root / ALICE).symlink_to(outside)

        await seen.until_open()
        write_qr(of_session(outside), png(b"theirs"))
        write_qr(of_session(seen.place(BOB)), png(b"b"))
        await seen.until_seen(BOB, png(b"b"))
        names = {str(Path(f"/proc/self/fd/{fd}").readlink()) for fd in watched(seen)}

    assert seen.of(ALICE) == []
    assert names == {str(seen.root), *(str(seen.root / session_id) for session_id in (PROBE, BOB))}


async def test_a_directory_that_the_kernel_will_not_watch_is_scanned_and_stops_no_other(tmp_path: Path) -> None:
    clock = FakeClock()
    root = made(tmp_path / "sessions")
    async with watching(root, clock) as seen:
        await seen.until_open(lambda: clock.advance(0.5))
        seen.kernel.queues[-1].refuse_next(*[errno.EPERM] * 100)
        place = seen.place(ALICE)
        seen.awaited[ALICE] = a_launch()
        seen.wake()
        await seen.until_open()

        write_qr(of_session(place), png(b"a"))
        await clock.advance(0.5)
        await seen.until_seen(ALICE, png(b"a"))

        assert len(watched(seen)) == 2


async def test_a_directory_that_moves_away_and_comes_back_is_watched_all_along(tmp_path: Path) -> None:
    async with watching(made(tmp_path / "sessions"), SystemClock(), ALICE) as seen:
        place = seen.place(ALICE)
        await seen.until_open()

        place.rename(tmp_path / "aside")
        await seen.until_open()
        (tmp_path / "aside").rename(place)
        await seen.until_open()
        write_qr(of_session(place), png(b"a"))
        await seen.until_seen(ALICE, png(b"a"))

    assert seen.of(ALICE) == [png(b"a")]


async def test_a_directory_whose_disk_went_away_and_came_back_is_watched_anew(tmp_path: Path) -> None:
    """With the disk the kernel ends the registration, and what comes back in its place may have the same numbers."""
    async with watching(made(tmp_path / "sessions"), FakeClock(), ALICE) as seen:  # so that nobody scans
        place = seen.place(ALICE)
        await seen.until_open()
        before = open_descriptors()

        directories = seen.kernel.queues[-1].directories
        for fd in await until_watched(seen, 3):
            directories.revoke(fd)
        await until(lambda: not directories.waiting)
        await until_watched(seen, 3)
        await until(lambda: len(open_descriptors()) == len(before))
        write_qr(of_session(place), png(b"a"))
        await seen.until_seen(ALICE, png(b"a"))

    assert seen.of(ALICE) == [png(b"a")]


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.EMFILE])
async def test_without_a_watch_it_warns_once_scans_on_and_tries_again(tmp_path: Path, number: int) -> None:
    clock, root = FakeClock(), made(tmp_path / "sessions")
    before = open_descriptors()
    with structlog.testing.capture_logs() as logs:
        async with watching(root, clock, ALICE) as seen:
            seen.kernel.refusals = [number]
            write_qr(of_session(seen.place(ALICE)), png(b"a"))
            await seen.until_seen(ALICE, png(b"a"))
            await until(lambda: logs)
            left = watched(seen)

            write_qr(of_session(root / ALICE), png(b"b"))
            await clock.advance(0.5)
            await seen.until_seen(ALICE, png(b"b"))
            seen.kernel.refusals = []
            await clock.advance(30)
            await until_watched(seen, 2)

    assert [entry["event"] for entry in logs] == ["qr_watch_unavailable"]
    assert left == set()
    assert open_descriptors() == before


async def test_a_kernel_without_a_queue_to_spare_leaves_it_to_the_scan(tmp_path: Path) -> None:
    clock, root = FakeClock(), made(tmp_path / "sessions")
    with structlog.testing.capture_logs() as logs:
        async with watching(root, clock, ALICE) as seen:
            seen.kernel.has_queues = False
            write_qr(of_session(seen.place(ALICE)), png(b"a"))
            await seen.until_seen(ALICE, png(b"a"))
            await until(lambda: logs)

    assert [entry["event"] for entry in logs] == ["qr_watch_unavailable"]


async def test_a_code_that_comes_by_rename_is_told_by_the_kernel(tmp_path: Path) -> None:
    async with watching(made(tmp_path / "sessions"), FakeClock(), ALICE) as seen:  # so that nobody scans
        place = seen.place(ALICE)
        await seen.until_open()

        (place / "new.png").write_bytes(png(b"a"))
        (place / "new.png").rename(place / "qr.png")
        await seen.until_seen(ALICE, png(b"a"))

    assert seen.of(ALICE) == [png(b"a")]
