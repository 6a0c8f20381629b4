import asyncio

import pytest

from openwa_manager.domain.errors import BacklogFullError
from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.delivery.large_posts import LargePosts
from tests.fakes.clock import FakeClock

EVIL, GOOD = SessionId("evil"), SessionId("good")


async def test_after_a_large_post_there_is_a_rest_of_three_times_as_long() -> None:
    clock = FakeClock()
    posts = LargePosts(clock)
    async with posts.turn():
        await clock.advance(2.0)
    entered = asyncio.Event()

    async def enter() -> None:
        async with posts.turn():
            entered.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(enter())
        await clock.advance(5.9)
        rested = entered.is_set()
        await clock.advance(0.1)
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
