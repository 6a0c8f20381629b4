"""What an engine may have posted through us, and to whom."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest
from aiohttp import web

from openwa_manager.domain.delivery.user_webhooks import UserWebhook
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.delivery.user_webhooks import save_webhooks
from tests.api.world import World, sign
from tests.fakes.receiver import Receiver, receiving

TOKEN, RELAY_SECRET = "0123456789abcdef0123456789abcdef", "between-engine-and-us"
BODY = b'{"event":"message.sent","data":{}}'
Post = Callable[..., Awaitable[int]]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as built:
        yield built


async def kept(world: World, url: str, **changed: object) -> None:
    await world.create(session_id="acme", desired="stopped")
    webhook = UserWebhook(
        token=TOKEN,
        session_id=SessionId("acme"),
        url=url,
        webhook_id="hook-1",
        relay_secret=RELAY_SECRET,
        **changed,  # type: ignore[arg-type]
    )
    await world.database.write(partial(save_webhooks, webhooks=[webhook]))


async def post(world: World, *, session_id: str = "acme", token: str = TOKEN, secret: str = RELAY_SECRET) -> int:
    headers = {"X-OpenWA-Signature": sign(secret, BODY)}
    async with world.intake.post(f"/relay/{session_id}/{token}", data=BODY, headers=headers) as answer:
        return answer.status


async def test_the_receivers_answer_is_the_engines(world: World, receiver: Receiver) -> None:
    await kept(world, receiver.url)
    receiver.answers += [200, 503]

    assert [await post(world), await post(world)] == [200, 503]
    assert [each.body for each in receiver.received] == [BODY, BODY]


async def test_only_this_webhooks_engine_may_post(world: World, receiver: Receiver) -> None:
    await kept(world, receiver.url)
    await world.create(session_id="other", desired="stopped")

    guessed = await post(world, secret="guessed")
    of_another = await post(world, session_id="other")
    unknown = await post(world, token="f" * 32)

    assert (guessed, of_another, unknown) == (401, 410, 410)
    assert receiver.received == []


async def test_a_deleted_webhook_ends_here(world: World, receiver: Receiver) -> None:
    await kept(world, receiver.url, is_deleted=True)

    assert await post(world) == 200
    assert receiver.received == []


async def test_a_receiver_that_is_not_there_is_tried_again_by_the_engine(world: World) -> None:
    await kept(world, "http://127.0.0.1:9/")

    assert await post(world) == 504


async def test_one_sessions_slow_receiver_holds_a_few_posts_only(world: World, receiver: Receiver) -> None:
    release = asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        del request
        await release.wait()
        return web.Response()

    await kept(world, receiver.url)
    receiver.answers += [slow] * 16
    async with asyncio.TaskGroup() as group:
        held = [group.create_task(post(world)) for _ in range(16)]
        await receiver.until(16)

        refused = await post(world)
        release.set()

    assert refused == 503
    assert {each.result() for each in held} == {200}
    assert await post(world) == 200
