import asyncio

import pytest

from openwa_manager.domain.errors import BacklogFullError
from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.delivery.large_posts import LargePosts
from tests.fakes.clock import FakeClock

EVIL, GOOD = SessionId("evil"), SessionId("good")


@pytest.mark.parametrize(("took_s", "rest_s"), [(0.25, 0.75), (20.0, 1.0)])
async def test_after_a_large_post_there_is_a_rest_of_three_times_as_long_but_a_second_at_most(
    took_s: float, rest_s: float
) -> None:
    clock = FakeClock()
    posts = LargePosts(clock)
    async with posts.turn():
        await clock.advance(took_s)
    entered = asyncio.Event()

    async def enter() -> None:
        async with posts.turn():
            entered.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(enter())
        await clock.advance(rest_s - 0.125)
        rested = entered.is_set()
        await clock.advance(0.125)
        await entered.wait()

    assert not rested


async def test_one_large_post_is_taken_at_a_time() -> None:
    posts = LargePosts(FakeClock())
    order: list[str] = []

    async def take(name: str) -> None:
        async with posts.turn():
            order.append(f"{name} begins")
            await asyncio.sleep(0)
            order.append(f"{name} ends")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(take("a"))
        tasks.create_task(take("b"))

    assert order == ["a begins", "a ends", "b begins", "b ends"]


async def test_a_post_that_fails_ends_its_turn() -> None:
    posts = LargePosts(FakeClock())
    with pytest.raises(ValueError, match="no event"):
        async with posts.turn():
            raise ValueError("no event")

    async with posts.turn():
        pass


async def test_only_so_many_large_posts_of_one_session_are_under_way() -> None:
    posts = LargePosts(FakeClock())
    async with posts.room(EVIL), posts.room(EVIL):
        with pytest.raises(BacklogFullError):
            async with posts.room(EVIL):
                pass
        async with posts.room(GOOD):
            pass

    async with posts.room(EVIL):
        pass


async def test_what_all_sessions_have_in_memory_is_bounded() -> None:
    posts, may_end = LargePosts(FakeClock()), asyncio.Event()
    entered: list[SessionId] = []

    async def hold(session_id: SessionId) -> None:
        async with posts.room(session_id):
            entered.append(session_id)
            await may_end.wait()

    async with asyncio.TaskGroup() as tasks:
        for number in range(30):
            tasks.create_task(hold(SessionId(f"s{number}")))
        for _ in range(3):
            await asyncio.sleep(0)
        at_once = len(entered)
        may_end.set()

    assert (at_once, len(entered)) == (24, 30)
