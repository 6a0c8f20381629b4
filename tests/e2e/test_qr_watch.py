"""The watch of a real directory beside writers who take their real time."""

import asyncio
import time
from pathlib import Path
from statistics import median

import pytest

from openwa_manager.domain.foreign_path import of_session
from openwa_manager.host.clock import SystemClock
from openwa_manager.watcher.qr_file import write_qr
from tests.watcher.images import png
from tests.watcher.watching import ALICE, BOB, SOURCES, Watching, made, watching_by


@pytest.fixture(params=SOURCES)
def watching(request: pytest.FixtureRequest) -> Watching:
    """Watch by each source in turn."""
    return watching_by(request.param)


async def test_an_image_written_slowly_in_place_is_passed_on_only_when_it_is_whole(
    tmp_path: Path, watching: Watching
) -> None:
    image = png(b"slow", 60)
    async with watching(made(tmp_path / "sessions"), SystemClock(), ALICE) as seen:
        place = seen.place(ALICE)
        await seen.until_open()

        with (place / "qr.png").open("wb", buffering=0) as file:
            for at in range(0, len(image), 97):
                file.write(image[at : at + 97])
                await asyncio.sleep(0.005)
        await seen.until_seen(ALICE, image)

    assert seen.of(ALICE) == [image]


async def test_a_code_is_seen_quickly_beside_an_engine_that_writes_all_the_time(
    tmp_path: Path, watching: Watching
) -> None:
    delays_ms: list[float] = []
    async with watching(made(tmp_path / "sessions"), SystemClock(), ALICE) as seen:
        place = seen.place(ALICE)
        await seen.until_open()
        async with asyncio.TaskGroup() as tasks:
            noise = tasks.create_task(write_noise(seen.place(BOB)))
            for number in range(20):
                await asyncio.sleep(0.03)
                image = png(b"%d" % number, 60)
                began_s = time.perf_counter()
                await asyncio.to_thread(write_qr, of_session(place), image)
                await seen.until_seen(ALICE, image)
                delays_ms.append((time.perf_counter() - began_s) * 1000)
            noise.cancel()

    print(f"rename to on_image beside 50 writes/s: median {median(delays_ms):.0f} ms, max {max(delays_ms):.0f} ms")
    assert len(seen.of(ALICE)) == 20


async def write_noise(place: Path) -> None:
    """Write auth files 50 times a second, as baileys does while it synchronises."""
    number = 0
    while True:
        await asyncio.to_thread((place / f"pre-key-{number % 30}.json").write_text, "{}" * 100)
        number += 1
        await asyncio.sleep(0.02)
