from dataclasses import replace
from pathlib import Path

import pytest

from openwa_manager.api.connections.limits import Timeouts
from tests.api.connections.houses import PATIENT, open_house
from tests.fakes.polling import until

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
BEGUN = b"GET / HTTP/1.1\r\nHost: local"
QUICK = 0.05


async def test_the_head_of_the_first_request_must_be_whole_in_time(tmp_path: Path) -> None:
    async with open_house(tmp_path, timeouts=replace(PATIENT, head_s=QUICK)) as house:
        caller = await house.enter()
        caller.say(BEGUN)

        assert await caller.status() == 408
        assert b'"code": "timeout"' in await caller.reader.read()
        await until(lambda: house.connection_count == 0)


async def test_a_byte_now_and_then_does_not_help(tmp_path: Path) -> None:
    async with open_house(tmp_path, timeouts=replace(PATIENT, head_s=QUICK)) as house:
        caller = await house.enter()

        def dribble() -> bool:
            if not caller.writer.is_closing():
                caller.say(b"G")
            return house.connection_count == 0

        await until(dribble)


async def test_the_heads_of_later_requests_must_be_whole_in_time(tmp_path: Path) -> None:
    async with open_house(tmp_path, timeouts=replace(PATIENT, head_s=2.0)) as house:
        caller = await house.enter()
        assert await caller.ask() == 200
        caller.say(BEGUN)

        assert await caller.status() == 408


async def test_who_says_nothing_at_all_is_ended_without_a_word(tmp_path: Path) -> None:
    async with open_house(tmp_path, timeouts=replace(PATIENT, head_s=QUICK)) as house:
        caller = await house.enter()

        assert await caller.is_hung_up_on()


async def test_an_idle_connection_is_ended(tmp_path: Path) -> None:
    async with open_house(tmp_path, timeouts=replace(PATIENT, idle_s=QUICK)) as house:
        caller = await house.enter()
        assert await caller.ask() == 200

        assert await caller.is_hung_up_on()


async def test_a_head_that_has_begun_is_not_idle(tmp_path: Path) -> None:
    async with open_house(tmp_path, timeouts=replace(PATIENT, idle_s=0.5, head_s=60)) as house:
        caller = await house.enter()
        assert await caller.ask() == 200
        caller.say(BEGUN)
        idle = await house.enter()
        assert await idle.ask() == 200
        assert await idle.is_hung_up_on()

        caller.say(HEAD[len(BEGUN) :])

        assert await caller.status() == 200


async def test_a_request_whose_body_takes_time_is_not_idle(tmp_path: Path) -> None:
    async with open_house(tmp_path, timeouts=Timeouts(head_s=2.0, idle_s=QUICK, reading_s=600, look_s=0.01)) as house:
        caller = await house.enter()
        caller.say(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhel")
        idle = await house.enter()
        assert await idle.is_hung_up_on()

        caller.say(b"lo")

        assert await caller.status() == 200


async def test_who_does_not_read_its_answer_is_cut_off(tmp_path: Path) -> None:
    async with open_house(tmp_path, timeouts=replace(PATIENT, reading_s=QUICK)) as house:
        caller = await house.enter()
        caller.writer.transport.pause_reading()  # type: ignore[attr-defined]
        caller.say(b"GET /much HTTP/1.1\r\nHost: localhost\r\n\r\n")

        await until(lambda: house.connection_count == 1)
        await until(lambda: house.connection_count == 0)


async def test_what_is_left_of_an_answer_when_its_connection_ends_is_not_kept_for_ever(tmp_path: Path) -> None:
    async with open_house(tmp_path, timeouts=replace(PATIENT, reading_s=QUICK)) as house:
        caller = await house.enter()
        caller.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(3):
            caller.say(b"GET /much HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")

        await until(lambda: house.connection_count == 0)


async def test_a_head_without_an_end_is_refused(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        caller = await house.enter()
        caller.say(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        for number in range(20):
            caller.say(b"X-Filler-%d: %s\r\n" % (number, b"x" * 4000))
            await caller.writer.drain()

        assert await caller.status() == 431


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * 9000), 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: %s\r\n\r\n" % (b"x" * 9000), 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n%s\r\n" % b"".join(b"X-%d: y\r\n" % each for each in range(101)), 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    ],
    ids=["target", "header", "headers", "two-hosts", "tls", "http-2"],
)
async def test_malformed_http_is_answered_like_any_other_mistake(tmp_path: Path, raw: bytes, status: int) -> None:
    async with open_house(tmp_path) as house:
        caller = await house.enter()
        caller.say(raw)

        head, _, body = (await caller.reader.read()).partition(b"\r\n\r\n")

    assert int(head.split(b" ")[1]) == status
    assert b"application/problem+json" in head
    assert b"nosniff" in head
    assert b'"request_id"' in body


async def test_a_stranger_makes_room_even_in_the_middle_of_an_answer(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        friend, stranger = await house.enter(), await house.enter()
        assert [await friend.ask("/never", key="key_1"), await stranger.ask("/never")] == [200, 200]

        others = [await house.enter() for _ in range(20)]

        assert await others[-1].ask() == 200
        assert not friend.reader.at_eof()
        assert await stranger.is_hung_up_on()


@pytest.mark.parametrize("begun", [b"", BEGUN, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"])
async def test_strangers_who_never_finish_keep_nobody_out(tmp_path: Path, begun: bytes) -> None:
    async with open_house(tmp_path) as house:
        for _ in range(40):
            (await house.enter()).say(begun)

        assert await (await house.enter()).ask(key="key_1") == 200


async def test_the_socket_has_room_when_tcp_has_none(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        for number in range(2):
            assert await (await house.enter()).ask("/never", key=f"key_{number}") == 200

        by_socket = await house.enter_by_socket()

        assert await by_socket.ask() == 200


async def test_who_comes_when_all_are_served_is_hung_up_on(tmp_path: Path) -> None:
    async with open_house(tmp_path, places=4) as house:
        for number in range(4):
            assert await (await house.enter()).ask("/never", key=f"key_{number}") == 200

        assert await (await house.enter()).ask(key="key_9") is None


async def test_a_connection_that_ended_makes_room(tmp_path: Path) -> None:
    async with open_house(tmp_path, places=1) as house:
        for _ in range(5):
            caller = await house.enter()
            assert await caller.ask("/", key="key_1") == 200
            caller.writer.close()
            await until(lambda: house.connection_count == 0)
