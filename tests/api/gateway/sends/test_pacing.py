import asyncio
import json
from itertools import pairwise
from pathlib import Path

from pytest_aiohttp import AiohttpClient

from tests.api.conftest import PEER
from tests.api.gateway.test_sessions import error, linked
from tests.api.messaging.lanes import HOLD_S
from tests.api.world import World, world_in

GAP_S = 0.05
TEXT = {"chatId": "628123456789@c.us", "text": "Hello"}


async def test_sends_take_turns(tmp_path: Path, aiohttp_client: AiohttpClient) -> None:
    async with world_in(tmp_path, aiohttp_client, program=PEER, gap_s=GAP_S) as world:
        await world.create(session_id="acme", wait_for="connected")
        async with asyncio.TaskGroup() as group:
            for route in ("send-text", "reply", "Forward", "send-product"):
                group.create_task(send_one(world, route))
        reply = await world.call("GET", "/api/sessions/acme/vice/sends")

    sends_s: list[tuple[float, float]] = json.loads(reply.raw)
    assert len(sends_s) == 4
    assert all(begun_s - answered_s >= GAP_S for (_, answered_s), (begun_s, _) in pairwise(sends_s))


async def test_what_sends_nothing_takes_no_turn(tmp_path: Path, aiohttp_client: AiohttpClient) -> None:
    async with world_in(tmp_path, aiohttp_client, program=PEER, gap_s=100.0) as world:
        await world.create(session_id="acme", wait_for="connected")
        await send_one(world)

        await send_one(world, "react")
        await send_one(world, "batch/batch_1/cancel")


async def test_a_send_that_cannot_have_its_turn_in_time_is_told_when_to_come_again(
    tmp_path: Path, aiohttp_client: AiohttpClient
) -> None:
    gap_s = HOLD_S + 10
    async with world_in(tmp_path, aiohttp_client, program=PEER, gap_s=gap_s) as world:
        await world.create(session_id="acme", wait_for="connected")
        await send_one(world)

        reply = await world.call("POST", "/api/sessions/acme/messages/send-text", TEXT)

        assert error(reply)[0] == 429
        assert reply.json["code"] == "SEND_QUEUE_FULL"
        assert reply.headers["Retry-After"] == str(reply.json["retryAfterSeconds"]) == "30"


async def test_a_send_that_openwa_refused_leaves_the_turn_to_the_next(
    tmp_path: Path, aiohttp_client: AiohttpClient
) -> None:
    async with world_in(tmp_path, aiohttp_client, gap_s=100.0) as world:
        session = await linked(world)
        invalid = await world.call("POST", "/api/sessions/acme/messages/send-text", {**TEXT, "foo": 1})
        await world.play(session.session_id, "fail?mode=429")
        paced = await world.call("POST", "/api/sessions/acme/messages/send-text", TEXT)

        await send_one(world)

    assert error(invalid)[0] == 400
    assert (paced.status, paced.json["code"]) == (429, "SEND_PACING_LIMITED")
    assert paced.headers["Retry-After"] == str(paced.json["retryAfterSeconds"])


async def test_a_send_whose_outcome_is_unknown_takes_its_turn(tmp_path: Path, aiohttp_client: AiohttpClient) -> None:
    async with world_in(tmp_path, aiohttp_client, gap_s=100.0) as world:
        session = await linked(world)
        await world.play(session.session_id, "fail?mode=500")
        unknown = await world.call("POST", "/api/sessions/acme/messages/send-text", TEXT)

        next_one = await world.call("POST", "/api/sessions/acme/messages/send-text", TEXT)

    assert unknown.status == 500
    assert next_one.json["code"] == "SEND_QUEUE_FULL"


async def test_a_send_that_waits_while_its_session_stops_is_not_sent(
    tmp_path: Path, aiohttp_client: AiohttpClient
) -> None:
    async with world_in(tmp_path, aiohttp_client, program=PEER, gap_s=1.0) as world:
        await world.create(session_id="acme", wait_for="connected")
        await send_one(world)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(world.call("POST", "/api/sessions/acme/messages/send-text", TEXT))
            await world.call("POST", "/api/sessions/acme/stop")

        assert error(waiting.result()) == (400, "Session 'acme' is not active. Start the session first.")


async def send_one(world: World, route: str = "send-text") -> None:
    assert (await world.call("POST", f"/api/sessions/acme/messages/{route}", TEXT)).status == 201
