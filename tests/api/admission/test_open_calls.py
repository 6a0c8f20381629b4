"""What a revoked key's open calls come to."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from pytest_aiohttp import AiohttpClient

from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.times import iso8601
from openwa_manager.host.clock import SystemClock
from tests.api.conftest import PEER
from tests.api.delivery.test_event_stream import Listener, listening
from tests.api.world import Object, World, world_in
from tests.fakes.polling import until

#: What the contract gives a revocation.
WITHIN_S = 1.0


def key_id_of(world: World, key: str) -> str:
    caller = world.keyring.caller_of(key)
    assert caller is not None
    return str(caller.key_id)


async def change(world: World, key: str, **fields: object) -> None:
    reply = await world.call("PATCH", f"/v1/keys/{key_id_of(world, key)}", fields)
    assert reply.status == 200, reply.raw


async def revoke(world: World, key: str) -> None:
    assert (await world.call("DELETE", f"/v1/keys/{key_id_of(world, key)}")).status == 204


@asynccontextmanager
async def streaming(world: World, key: str) -> AsyncIterator[Listener]:
    async with listening(world, headers={"X-API-Key": key}) as listener:
        await until(lambda: listener.answer.content.total_bytes > 0)
        yield listener


async def ended(listener: Listener, within_s: float = WITHIN_S) -> None:
    """Return once the stream has ended."""
    async with asyncio.timeout(within_s):
        try:
            while await listener.answer.content.readany():
                pass
        except aiohttp.ClientPayloadError:
            pass


async def test_a_revoked_keys_stream_ends_and_no_others(world: World) -> None:
    key, other = await world.key_of(Role.VIEWER), await world.key_of(Role.VIEWER)
    async with streaming(world, key) as listener, streaming(world, other) as others:
        await revoke(world, key)

        await ended(listener)
        before = others.answer.content.total_bytes
        await until(lambda: others.answer.content.total_bytes > before)  # it goes on


@pytest.mark.parametrize(
    "fields",
    [
        {"disabled": True},
        {"role": "viewer"},
        {"sessions": ["a_*"]},
        {"qr": False},
        {"chats": False},
        {"allowed_ips": ["192.0.2.0/24"]},
    ],
)
async def test_a_key_that_allows_less_ends_its_streams(world: World, fields: Object) -> None:
    key = await world.key_of(Role.SENDER, qr=True, chats=True)
    async with streaming(world, key) as listener:
        await change(world, key, **fields)

        await ended(listener)


def soon() -> str:
    """Return a moment that is half a second away."""
    return iso8601(SystemClock().now().at + 0.5)


async def test_a_key_that_allows_more_keeps_its_streams(world: World) -> None:
    key = await world.key_of(Role.SENDER, sessions=["a_*"])
    async with streaming(world, key) as listener:
        await change(world, key, role="operator", sessions=["*"], qr=True, name="more", rate_per_s=1)

        with pytest.raises(TimeoutError):
            await ended(listener, 0.7)


async def test_a_key_ends_its_own_streams_when_it_is_over(world: World) -> None:
    key = await world.key_of(Role.VIEWER)
    async with streaming(world, key) as listener:
        await change(world, key, expires_at=soon())

        await ended(listener, 0.5 + WITHIN_S)


async def test_a_rotation_ends_what_was_opened_with_the_text_before(world: World) -> None:
    key = await world.key_of(Role.VIEWER)
    path = f"/v1/keys/{key_id_of(world, key)}/rotate"
    async with streaming(world, key) as first:
        rotated = str((await world.call("POST", path, {"overlap_s": 0.7})).json["key"])
        async with streaming(world, rotated) as second:
            with pytest.raises(TimeoutError):
                await ended(first, 0.3)
            await ended(first, 0.4 + WITHIN_S)  # the overlap is over
            await world.call("POST", path, {})
            await ended(second)


async def test_a_wait_of_a_revoked_key_is_answered_that_it_does_not_hold(world: World) -> None:
    key = await world.key_of(Role.OPERATOR)
    async with asyncio.TaskGroup() as tasks:
        body = {"session_id": "a", "wait_for": "connected", "timeout_s": 60}
        waiting = tasks.create_task(world.call("POST", "/v1/sessions", body, headers={"X-API-Key": key}))
        await until(lambda: world.find(SessionId("a")) is not None)
        await revoke(world, key)
        async with asyncio.timeout(WITHIN_S):
            reply = await waiting

    assert (reply.status, reply.code) == (401, "unauthenticated")


async def test_a_call_that_an_engine_never_answers_ends_with_its_key(
    tmp_path: Path, aiohttp_client: AiohttpClient
) -> None:
    async with world_in(tmp_path, aiohttp_client, program=PEER) as world:
        await world.create(session_id="acme", wait_for="connected")
        key = await world.key_of(Role.ADMIN, qr=True, chats=True)
        async with asyncio.TaskGroup() as tasks:
            path = "/api/sessions/acme/vice/silence"
            asking = tasks.create_task(world.call("POST", path, {}, headers={"X-API-Key": key}))
            await until_silenced(world)
            await revoke(world, key)
            async with asyncio.timeout(WITHIN_S):
                reply = await asking

    assert reply.status == 401


async def until_silenced(world: World) -> None:
    """Return once the engine has got the call that it never answers."""
    async with asyncio.timeout(20):
        while (await world.call("GET", "/api/sessions/acme/vice/silenced")).json["count"] != 1:
            pass


async def test_who_revokes_his_own_key_is_told_that_it_is_done(world: World) -> None:
    key = await world.key_of(Role.ADMIN, qr=True, chats=True)
    path = f"/v1/keys/{key_id_of(world, key)}"

    rotated = await world.call("POST", f"{path}/rotate", {}, headers={"X-API-Key": key})
    own = {"X-API-Key": str(rotated.json["key"])}
    narrowed = await world.call("PATCH", path, {"chats": False}, headers=own)
    gone = await world.call("DELETE", path, headers=own)

    assert (rotated.status, narrowed.status, gone.status) == (200, 200, 204)
    assert (await world.call("GET", "/v1/sessions", headers=own)).status == 401


@pytest.mark.parametrize("fields", [None, {"role": "viewer", "qr": False, "chats": False}])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/keys", {"name": "mine", "role": "admin", "qr": True, "chats": True}),
        ("/v1/sessions/a/pairing-links", {"ttl_s": 600}),
        ("/v1/sessions/a/messages", {"to": "+85212345678", "text": "late"}),
    ],
)
async def test_nobody_keeps_a_right_by_holding_the_end_of_a_body_back(
    world: World, path: str, body: Object, fields: Object | None
) -> None:
    await world.create(session_id="a", desired="stopped")
    key = await world.key_of(Role.ADMIN, qr=True, chats=True)
    whole = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(f"{head}Content-Length: {len(whole)}\r\n\r\n".encode() + whole[:5])
    await world.call("GET", "/v1/sessions")  # whatever was sent before has come

    await (revoke(world, key) if fields is None else change(world, key, **fields))
    writer.write(whole[5:])
    answer = await reader.readuntil(b"\r\n")
    writer.close()

    assert answer.split()[1] == b"401"
    keys = (await world.call("GET", "/v1/keys")).json["keys"]
    assert isinstance(keys, list)
    assert all(each["name"] != "mine" for each in keys if isinstance(each, dict))
