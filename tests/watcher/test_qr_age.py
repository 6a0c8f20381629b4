"""Of which launch an image is, and how old, whatever the wall clock says."""

import os
import sys
import time
from pathlib import Path

import pytest

from openwa_manager.domain.foreign_path import of_session
from openwa_manager.domain.session.session import LaunchId
from openwa_manager.host.clock import SystemClock
from openwa_manager.watcher.qr_file import write_qr
from tests.fakes.clock import FakeClock
from tests.watcher.images import png
from tests.watcher.watching import ALICE, Watching, a_launch, made


async def test_an_image_that_appears_after_the_wall_clock_was_set_back_is_new(
    tmp_path: Path, watching: Watching
) -> None:
    clock = FakeClock(at=time.time())  # noqa: TID251 (the kernel dates the files)
    async with watching(made(tmp_path / "sessions"), clock, ALICE) as seen:
        place = seen.place(ALICE)
        await seen.until_open()
        clock.jump_wall(-90)

        write_qr(of_session(place), png(b"a"))
        await seen.until_seen(ALICE, png(b"a"))

    assert seen.last_of(ALICE).produced_at == clock.now().at


async def test_an_image_that_is_written_again_is_as_old_as_it_was_whatever_the_wall_clock_says(
    tmp_path: Path, watching: Watching
) -> None:
    clock = FakeClock(at=time.time())  # noqa: TID251 (the kernel dates the files)
    async with watching(made(tmp_path / "sessions"), clock, ALICE) as seen:
        place = seen.place(ALICE)
        await seen.until_open()
        write_qr(of_session(place), png(b"a"))
        await seen.until_seen(ALICE, png(b"a"))
        first_at = seen.last_of(ALICE).produced_at

        await clock.advance(30)
        clock.jump_wall(-90)
        write_qr(of_session(place), png(b"a"))
        await seen.until(lambda: len(seen.of(ALICE)) == 2)

    assert seen.last_of(ALICE).produced_at == pytest.approx(first_at - 90)


async def test_an_image_that_was_there_before_the_first_look_is_as_old_as_its_file(
    tmp_path: Path, watching: Watching
) -> None:
    root = tmp_path / "sessions"
    (root / ALICE).mkdir(parents=True)
    write_qr(of_session(root / ALICE), png(b"a"))
    os.utime(root / ALICE / "qr.png", (1e9, 1e9))
    async with watching(root, SystemClock(), ALICE) as seen:
        await seen.until_seen(ALICE, png(b"a"))

    assert seen.last_of(ALICE).produced_at == pytest.approx(1e9)


async def test_an_image_from_before_the_first_look_that_is_dated_later_than_now_is_of_unknown_age(
    tmp_path: Path,
    watching: Watching,
) -> None:
    clock = FakeClock(at=time.time() - 3600)  # noqa: TID251 (the kernel dates the files)
    root = tmp_path / "sessions"
    (root / ALICE).mkdir(parents=True)
    write_qr(of_session(root / ALICE), png(b"from before"))
    async with watching(root, clock, ALICE) as seen:
        await seen.until_open()
        write_qr(of_session(root / ALICE), png(b"next"))
        await seen.until_seen(ALICE, png(b"next"))

    assert seen.of(ALICE) == [png(b"next")]


async def test_an_image_is_of_no_launch_before_its_directory_was_cleared(tmp_path: Path, watching: Watching) -> None:
    async with watching(made(tmp_path / "sessions"), SystemClock()) as seen:
        write_qr(of_session(seen.place(ALICE)), png(b"stale"))
        seen.awaited[ALICE] = a_launch("next", runs=False)
        seen.wake()
        await seen.until_open()

        (seen.root / ALICE / "qr.png").unlink()
        seen.expect(ALICE, LaunchId("next"))
        write_qr(of_session(seen.place(ALICE)), png(b"fresh"))
        await seen.until_seen(ALICE, png(b"fresh"))

    assert seen.of(ALICE) == [png(b"fresh")]
    assert seen.last_of(ALICE).launch_id == "next"


@pytest.mark.skipif(sys.platform == "darwin", reason="there every file name is UTF-8")
async def test_a_root_whose_path_is_no_utf_8_is_scanned_since_it_cannot_be_watched(
    tmp_path: Path, watching: Watching
) -> None:
    root = made(tmp_path / os.fsdecode(b"h\xff"))
    async with watching(root, SystemClock(), ALICE) as seen:
        write_qr(of_session(seen.place(ALICE)), png(b"a"))
        await seen.until_seen(ALICE, png(b"a"))

    assert seen.of(ALICE) == [png(b"a")]
