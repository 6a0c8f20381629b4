import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.foreign_path import of_session
from openwa_manager.host.logs.logfile import rotate
from openwa_manager.host.logs.logtail import read_from, read_older, tail_of
from tests.api.world import World
from tests.fakes.polling import until

LOG = b"one\ntwo\nthree\n"


@given(data=st.lists(st.sampled_from([b"\n", b"a", b"bcd", b"x" * 40_000])).map(b"".join), count=st.integers(0, 12))
def test_the_tail_is_the_last_lines_of_the_file(data: bytes, count: int) -> None:
    with NamedTemporaryFile() as file:
        file.write(data)
        file.flush()

        older, position = tail_of(of_session(Path(file.name)), count)

    lines = data.splitlines(keepends=True)
    assert older is None
    assert data[position:] == b"".join(lines[max(0, len(lines) - count) :])


def test_a_log_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    assert tail_of(of_session(tmp_path / "none"), 10) == (None, 0)
    assert read_from(of_session(tmp_path / "none"), 7, None) == (b"", 0)


def test_a_log_cut_short_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    path.write_bytes(LOG)

    assert read_from(of_session(path), 100, None) == (LOG, len(LOG))


async def written(world: World, content: bytes) -> Path:
    """Give session `a` this log."""
    await world.create(session_id="a", desired="stopped")
    path = world.sessions.log_path("a").path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("query", "expected"), [("", LOG), ("?tail=2", b"two\nthree\n"), ("?tail=0", b"")])
async def test_the_tail_comes_as_text(world: World, query: str, expected: bytes) -> None:
    await written(world, LOG)

    reply = await world.call("GET", f"/v1/sessions/a/logs{query}")

    assert (reply.status, reply.raw) == (200, expected)
    assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"


async def test_by_default_200_lines_come(world: World) -> None:
    await written(world, b"line\n" * 300)

    assert (await world.call("GET", "/v1/sessions/a/logs")).raw == b"line\n" * 200


async def test_a_session_without_a_log_has_an_empty_one(world: World) -> None:
    await world.create(session_id="a", desired="stopped")

    reply = await world.call("GET", "/v1/sessions/a/logs")

    assert (reply.status, reply.raw) == (200, b"")


def link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def fifo(path: Path) -> None:
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.mkdir()


def unreachable(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_bytes(b"")


@pytest.mark.parametrize("query", ["", "?tail=0"])
@pytest.mark.parametrize("put", [link, fifo, directory, unreachable])
async def test_what_is_no_file_is_an_empty_log(world: World, put: Callable[[Path], None], query: str) -> None:
    path = await written(world, LOG)
    path.unlink()
    put(path)

    reply = await world.call("GET", f"/v1/sessions/a/logs{query}")

    assert (reply.status, reply.raw) == (200, b"")


async def test_the_health_of_a_session_says_nothing_of_what_its_log_links_to(world: World, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"x" * 12_345)
    path = await written(world, LOG)
    path.unlink()
    path.symlink_to(elsewhere)

    reply = await world.call("GET", "/v1/sessions/a/health")

    assert "12345" not in reply.raw.decode()


@pytest.mark.parametrize("query", ["tail=-1", "tail=x", "follow=maybe"])
async def test_a_parameter_out_of_range_is_refused(world: World, query: str) -> None:
    await written(world, LOG)

    assert (await world.call("GET", f"/v1/sessions/a/logs?{query}")).status == 422


async def test_head_of_a_followed_log_ends(world: World) -> None:
    await written(world, LOG)

    reply = await world.call("HEAD", "/v1/sessions/a/logs?follow=1")

    assert (reply.status, reply.raw) == (200, b"")


async def test_a_followed_log_goes_on_until_the_session_is_gone(world: World) -> None:
    path = await written(world, LOG)
    url, headers = "/v1/sessions/a/logs?tail=1&follow=1", {"X-API-Key": world.key}

    async with world.client.get(url, headers=headers) as answer:
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert await answer.content.readline() == b"three\n"
        with path.open("ab") as log:
            log.write(b"four\n")
        assert await answer.content.readline() == b"four\n"
        os.truncate(path, 0)
        await world.call("DELETE", "/v1/sessions/a")
        assert await answer.content.read() == b""


async def test_a_followed_log_ends_well_when_the_daemon_does(world: World) -> None:
    await written(world, LOG)
    url, headers = "/v1/sessions/a/logs?tail=1&follow=1", {"X-API-Key": world.key}

    async with world.client.get(url, headers=headers) as answer:
        assert await answer.content.readline() == b"three\n"
        world.runner.drain()
        assert await answer.content.read() == b""


async def test_a_follower_who_leaves_is_not_served_any_longer(world: World) -> None:
    await written(world, LOG)
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    head = f"GET /v1/sessions/a/logs?follow=1 HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {world.key}\r\n\r\n"
    writer.write(head.encode())
    await reader.readuntil(b"three")
    before = len(asyncio.all_tasks())

    writer.close()
    await writer.wait_closed()

    await until(lambda: len(asyncio.all_tasks()) < before)


def test_what_was_written_right_before_a_rotation_is_followed_too(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    path.write_bytes(b"seen\n")
    _, position = read_from(of_session(path), 0, None)
    with path.open("ab") as engine:
        engine.write(b"unseen\n")
    rotate(of_session(path), max_bytes=1, kept=2)
    with path.open("ab") as engine:
        engine.write(b"new\n")

    rest, position = read_from(of_session(path), position, None)
    new, _ = read_from(of_session(path), position, None)

    assert (rest, new) == (b"unseen\n", b"new\n")


def test_the_tail_goes_back_over_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    path.write_bytes(LOG)
    rotate(of_session(path), max_bytes=1, kept=2)
    path.write_bytes(b"four\n")

    older, position = tail_of(of_session(path), 3)

    assert older is not None
    assert (read_older(of_session(path), older)[0], position) == (b"two\nthree\n", 0)
    assert tail_of(of_session(path), 1) == (None, 0)
    assert tail_of(of_session(tmp_path / "none"), 3) == (None, 0)


async def test_a_tail_that_was_rotated_away_comes_whole_and_in_order(world: World) -> None:
    path = await written(world, b"".join(b"%06d\n" % number for number in range(40_000)))
    rotate(of_session(path), max_bytes=1, kept=2)
    path.write_bytes(b"last\n")

    reply = await world.call("GET", "/v1/sessions/a/logs?tail=30001")

    assert reply.raw.splitlines() == [b"%06d" % number for number in range(10_000, 40_000)] + [b"last"]


def test_an_older_part_that_is_rotated_on_meanwhile_ends(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    path.write_bytes(b"x" * 100_000 + b"\n")
    rotate(of_session(path), max_bytes=1, kept=2)
    path.write_bytes(b"new\n")
    older, _ = tail_of(of_session(path), 2)
    assert older is not None
    begun, older = read_older(of_session(path), older)

    rotate(of_session(path), max_bytes=1, kept=2)

    assert begun == b"x" * 65_536
    assert read_older(of_session(path), older)[0] == b""
