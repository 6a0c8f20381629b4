import asyncio
import gzip
import hashlib
import io
import json
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from pytest_aiohttp import AiohttpClient
from yarl import URL

from openwa_manager.api.bodies.uploads import UPLOAD_MAX_BYTES
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.session.session import Session, SessionId, Status
from tests.api.conftest import PEER
from tests.api.gateway.test_sessions import error, linked, started
from tests.api.world import World, world_in

CHAT = {"chatId": "628123456789@c.us", "text": "Hello"}
LARGE = b"0123456789abcdef" * 1024 * 1024  # 16 MiB


def url_of(path: str) -> URL:
    return URL(f"/api/sessions/acme/{path}", encoded=True)


async def echo(world: World, method: str = "POST", path: str = "vice/echo", **given: object) -> dict[str, object]:
    """Return what the engine saw of a request."""
    headers = {"X-API-Key": world.key, **given.pop("headers", {})}  # type: ignore[dict-item]
    async with world.client.request(method, url_of(path), headers=headers, **given) as answer:  # type: ignore[arg-type]
        assert answer.status == 200, await answer.text()
        seen: dict[str, object] = json.loads(await answer.text())
        return seen


async def test_a_message_goes_through_unchanged_and_so_does_its_answer(world: World) -> None:
    await linked(world)

    sent = await world.call("POST", "/api/sessions/acme/messages/send-text", CHAT)
    refused = await world.call("POST", "/api/sessions/acme/messages/send-text", {**CHAT, "foo": 1})
    number = await world.call("GET", "/api/sessions/acme/contacts/check/628123456789")

    assert sent.status == 201
    assert set(sent.json) == {"messageId", "timestamp"}
    assert error(refused) == (400, ["property foo should not exist"])
    assert number.json == {"number": "628123456789", "exists": True, "whatsappId": "628123456789@c.us"}


async def test_a_send_through_an_engine_that_lost_its_data_is_refused_and_not_tried(world: World) -> None:
    await linked(world)
    shutil.rmtree(world.home / "sessions" / "acme" / "data")

    sent = await world.call("POST", "/api/sessions/acme/messages/send-text", CHAT)

    assert error(sent) == (409, "Session is not connected. The WhatsApp client is not ready.")


async def test_the_engine_sees_its_own_key_and_name_and_nothing_of_ours(peers: World) -> None:
    session = peers.sessions.get("acme")
    given = {
        "Idempotency-Key": "abc-1",
        "X-Forwarded-For": "10.9.8.7, 203.0.113.9",  # the caller wrote the first, a trusted proxy the last
        "Cookie": "secret=1",
        "Connection": "keep-alive, X-Hop",
        "X-Hop": "1",
        "User-Agent": "n8n",
        "X-Request-ID": "trace-1",
    }

    seen = await echo(peers, path="vice/echo?a=%2F&b=1", data=b"{}", headers=given)

    head = str(seen["head"])
    assert head.startswith(f"POST /api/sessions/{session.inner_id}/vice/echo?a=%2F&b=1 HTTP/1.1\r\n")
    assert peers.key not in head
    assert f"X-API-Key: {session.engine_key}" in head
    assert "Idempotency-Key: abc-1" in head
    assert "X-Forwarded-For: 203.0.113.9\r\n" in head
    assert "X-Request-ID: trace-1" in head
    assert "User-Agent: n8n" in head
    assert not re.search(r"10\.9\.8\.7|secret=1|X-Hop|Authorization", head)


async def test_a_key_given_as_bearer_does_not_leak_either(peers: World) -> None:
    async with peers.client.post(
        url_of("vice/echo"), headers={"Authorization": f"Bearer {peers.key}"}, data=b"x"
    ) as answer:
        seen = await answer.text()

    assert "Authorization" not in seen


async def test_hop_by_hop_headers_of_the_engine_end_here(peers: World) -> None:
    reply = await peers.call("GET", "/api/sessions/acme/vice/mirror")

    assert reply.status == 203
    assert reply.headers["X-Powered-By"] == "peer"
    assert "Keep-Alive" not in reply.headers


async def test_large_bodies_are_streamed_both_ways(peers: World) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for at in range(0, len(LARGE), 1024 * 1024):
            yield LARGE[at : at + 1024 * 1024]

    known = await echo(peers, data=io.BytesIO(LARGE))
    chunked = await echo(peers, data=parts())
    mirrored = await peers.client.post(url_of("vice/mirror"), headers={"X-API-Key": peers.key}, data=io.BytesIO(LARGE))

    digest = hashlib.sha256(LARGE).hexdigest()
    assert (known["length"], known["sha256"]) == (len(LARGE), digest)
    assert "Content-Length" in str(known["head"])
    assert (chunked["length"], chunked["sha256"]) == (len(LARGE), digest)
    assert hashlib.sha256(await mirrored.read()).hexdigest() == digest
    assert mirrored.status == 203


async def test_a_body_over_openwas_limit_is_refused_with_its_words(peers: World) -> None:
    head = f"POST /api/sessions/acme/messages/send-image HTTP/1.1\nHost: 127.0.0.1\nX-API-Key: {peers.key}"

    status, _ = await peers.raw(f"{head}\nContent-Length: {UPLOAD_MAX_BYTES + 1}")

    assert status == 413


async def test_chunks_without_a_length_are_passed_on(peers: World) -> None:
    reply = await peers.call("GET", "/api/sessions/acme/vice/chunks")

    assert (reply.raw, reply.headers["X-Kept"]) == (b"wavewavewave", "yes")


async def test_an_answer_to_head_has_a_length_and_no_body(peers: World) -> None:
    reply = await peers.call("HEAD", "/api/sessions/acme/chats")

    assert (reply.raw, reply.headers["Content-Length"]) == (b"", "1234")


@pytest.mark.parametrize("path", ["vice/echo", "messages/send-image", "messages/send"])
async def test_a_body_of_untold_length_that_does_not_end_is_too_much(peers: World, path: str) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"0" * 65_536

    async with peers.client.post(url_of(path), data=endless(), headers={"X-API-Key": peers.key}) as answer:
        body = await answer.json()

    assert (answer.status, body) == (413, {"statusCode": 413, "message": "request entity too large"})


async def test_a_packed_body_is_refused_in_openwas_words(peers: World) -> None:
    packed = gzip.compress(b"a" * 100_000)

    reply = await peers.client.post(
        url_of("vice/echo"), data=packed, headers={"X-API-Key": peers.key, "Content-Encoding": "gzip"}
    )

    assert (reply.status, (await reply.json())["error"]) == (415, "Unsupported Media Type")


@pytest.mark.parametrize("path", ["../../infra/restart", "%2e%2e/x", "messages/../../x", "a/./b"])
async def test_no_path_leads_out_of_the_session(peers: World, path: str) -> None:
    head = f"POST /api/sessions/acme/{path} HTTP/1.1\nHost: 127.0.0.1\nX-API-Key: {peers.key}\nContent-Length: 0"

    status, _ = await peers.raw(head)

    assert status in (404, 501)


@pytest.mark.parametrize(("vice", "status"), [("silence", 504), ("hang-up", 504), ("garbage", 502), ("half", 502)])
async def test_an_engine_that_does_not_answer_well_is_an_error_in_openwas_shape(
    peers: World, vice: str, status: int
) -> None:
    reply = await peers.call("POST", f"/api/sessions/acme/vice/{vice}", {})

    assert error(reply)[0] == status


async def test_an_answer_that_breaks_off_late_breaks_off_for_the_caller(peers: World) -> None:
    async with peers.client.get(url_of("vice/half-large"), headers={"X-API-Key": peers.key}) as answer:
        assert answer.status == 200
        with pytest.raises(aiohttp.ClientError):
            await answer.read()


async def test_a_stopped_session_refuses_as_openwa_does(world: World) -> None:
    await world.call("POST", "/api/sessions", {"name": "acme"})

    send = error(await world.call("POST", "/api/sessions/acme/messages/send-text", CHAT))
    chats = error(await world.call("GET", "/api/sessions/acme/chats"))

    assert send == chats == (400, "Session 'acme' is not active. Start the session first.")


async def test_a_stop_does_not_wait_for_a_hung_request(tmp_path: Path, aiohttp_client: AiohttpClient) -> None:
    async with world_in(tmp_path, aiohttp_client, program=PEER) as peers:
        await peers.create(session_id="acme", wait_for="connected")
        async with asyncio.TaskGroup() as group:
            hung = group.create_task(peers.call("POST", "/api/sessions/acme/vice/silence", {}))
            while (await peers.call("GET", "/api/sessions/acme/vice/silenced")).json != {"count": 1}:
                pass

            stop = await peers.call("POST", "/api/sessions/acme/stop")

        assert stop.json["engineLoaded"] is False
        assert error(hung.result())[0] == 504
        timeline = [each async for each in peers.sessions.timeline(SessionId("acme"), 50, 1 << 20)]
        assert timeline[-1].evidence["exit_code"] == 0


async def hooks_inside(session: Session) -> list[dict[str, Json]]:
    """Return the webhooks as the engine itself knows them."""
    assert session.launch is not None
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(session.launch.socket))) as engine,
        engine.get(
            f"http://localhost/api/sessions/{session.inner_id}/webhooks", headers={"X-API-Key": session.engine_key}
        ) as answer,
    ):
        hooks: list[dict[str, Json]] = await answer.json()
        return hooks


async def test_the_users_webhooks_work_and_ours_is_not_there(world: World) -> None:
    session = await linked(world)
    path = "/api/sessions/acme/webhooks"
    (ours,) = await hooks_inside(session)

    made = (await world.call("POST", path, {"url": "http://127.0.0.1:9/hooks/acme/mine", "events": ["*"]})).json
    listed = json.loads((await world.call("GET", path)).raw)
    one = await world.call("GET", f"{path}/{made['id']}")
    refusals = [
        error(await world.call(method, f"{where}/{ours['id']}{rest}", body))
        for where in (path, "/api/sessions/acme/WebHooks")
        for method, rest, body in (("GET", "", None), ("PUT", "/", {"active": False}), ("DELETE", "", None))
    ]
    test = error(await world.call("POST", f"{path}/{ours['id']}/test"))
    deleted = await world.call("DELETE", f"{path}/{made['id']}")
    left = await hooks_inside(session)

    assert listed == [made]
    assert one.json == made
    assert {*refusals, test} == {(404, f"Webhook with id '{ours['id']}' not found")}
    assert deleted.status == 204
    assert left == [ours]


async def test_a_list_of_webhooks_that_is_none_goes_through_as_it_is(peers: World) -> None:
    odd = await peers.call("GET", "/api/sessions/acme/webhooks?odd")

    assert odd.raw == b"<html>"


async def test_a_kind_of_engine_without_openwas_api_is_said_to_be_so(world: World) -> None:
    await started(world)
    world.engines.clear()

    assert error(await world.call("GET", "/api/sessions/acme/chats"))[0] == 501


async def test_a_session_that_restarts_is_not_connected(world: World) -> None:
    await linked(world)
    await world.requests.restart("acme")

    reply = await world.call("GET", "/api/sessions/acme/chats")

    assert error(reply) == (409, "Session is not connected. The WhatsApp client is not ready.")
    await world.sessions.wait("acme", lambda session: session.status is Status.CONNECTED, 20)


async def test_head_answers_as_get_does(world: World) -> None:
    await linked(world)

    running = await world.call("HEAD", "/api/sessions/acme/webhooks")
    await world.call("POST", "/api/sessions/acme/stop")
    stopped = await world.call("HEAD", "/api/sessions/acme/webhooks")

    assert (running.status, running.raw, stopped.status, stopped.raw) == (200, b"", 200, b"")
