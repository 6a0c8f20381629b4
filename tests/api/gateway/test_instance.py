"""What callers ask before they begin, and what nobody has here."""

import json
from pathlib import Path

import pytest
from pytest_aiohttp import AiohttpClient

from openwa_manager.domain.session.session import Status
from tests.api.gateway.test_sessions import ISO, error, linked
from tests.api.world import World, world_in


async def test_a_daemon_that_takes_up_its_sessions_is_not_ready(tmp_path: Path, aiohttp_client: AiohttpClient) -> None:
    async with world_in(tmp_path, aiohttp_client, takes_up=False) as world:
        ready = await world.call("GET", "/api/health/ready")

    assert (ready.status, ready.json["details"]) == (503, {"sessions": {"status": "resuming"}})


async def test_signs_of_life_need_no_key(world: World) -> None:
    async with (
        world.client.get("/api/health") as health,
        world.client.get("/api/health/live") as live,
        world.client.get("/api/health/ready") as ready,
    ):
        body = await health.json()
        assert (health.status, body["status"]) == (200, "ok")
        assert ISO.fullmatch(body["timestamp"])
        assert await live.json() == {"status": "ok"}
        assert await ready.json() == {
            "status": "ok",
            "details": {"mainDatabase": {"status": "up"}, "dataDatabase": {"status": "up"}},
        }


async def test_a_draining_daemon_says_so(world: World) -> None:
    world.runner.drain()

    ready = await world.call("GET", "/api/health/ready")
    create = error(await world.call("POST", "/api/sessions", {"name": "acme"}))

    assert (ready.status, ready.json["details"]) == (503, {"shutdown": {"status": "draining"}})
    assert create[0] == 503


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/auth/api-keys", 501),
        ("GET", "/api/auth/api-keys/1", 501),
        ("GET", "/api/Settings", 501),
        ("GET", "/api/audit", 501),
        ("GET", "/api/infra/status", 501),
        ("GET", "/api/webhooks/delivery-failures", 501),
        ("GET", "/api/auth", 404),
        ("GET", "/api/auditing", 404),
        ("GET", "/api/nothing/like/it", 404),
        ("PATCH", "/api/sessions", 404),
        ("PUT", "/api/sessions/acme", 404),
        ("GET", "/api/sessions/nobody/chats", 404),
        ("GET", "/api/sessions/nobody/messages", 400),
    ],
)
async def test_what_is_not_here_is_refused_in_openwas_shape(world: World, method: str, path: str, status: int) -> None:
    assert error(await world.call(method, path))[0] == status


async def test_a_key_is_told_its_role_as_openwa_calls_it(world: World) -> None:
    held = await world.call("POST", "/api/auth/validate")
    async with world.client.post("/api/auth/validate", headers={"X-API-Key": "owm_x"}) as wrong:
        assert (wrong.status, (await wrong.json())["message"]) == (401, "Invalid API key")

    assert (held.status, held.json) == (200, {"valid": True, "role": "admin", "scoped": False})


async def test_the_version_is_told_to_those_with_a_key(world: World) -> None:
    known = await world.call("GET", "/api/health")
    async with world.client.get("/api/health") as unknown:
        assert "version" not in await unknown.json()

    assert (known.status, known.json["version"]) == (200, "0.1.0")


async def test_a_session_is_well_while_it_shows_a_code_and_while_it_is_connected(world: World) -> None:
    await world.create(session_id="acme", wait_for="qr")
    shows = await world.call("GET", "/api/sessions/acme/health")
    await world.play("acme", "scan")
    await world.sessions.wait("acme", lambda session: session.status is Status.CONNECTED, 20)
    connected = await world.call("GET", "/api/sessions/acme/health")
    await world.call("POST", "/api/sessions/acme/stop")
    stopped = await world.call("GET", "/api/sessions/acme/health")

    seen = [(each.status, each.json["status"], each.json["healthy"]) for each in (shows, connected, stopped)]
    assert seen == [(200, "qr_ready", True), (200, "ready", True), (503, "disconnected", False)]
    assert shows.json["sessionId"] == "acme"
    assert error(await world.call("GET", "/api/sessions/nobody/health"))[0] == 404


async def test_a_search_is_that_of_the_session_it_names(peers: World) -> None:
    session = peers.sessions.get("acme")

    found = await peers.call("GET", "/api/search?q=a%20b&sessionId=acme&limit=5")

    assert found.json == {"target": f"/api/search?sessionId={session.inner_id}&q=a+b&limit=5"}


async def test_a_search_must_name_a_session_that_runs(world: World) -> None:
    await linked(world)
    await world.call("POST", "/api/sessions/acme/stop")

    nobody = error(await world.call("GET", "/api/search?q=a"))
    unknown = error(await world.call("GET", "/api/search?q=a&sessionId=nobody"))
    stopped = error(await world.call("GET", "/api/search?q=a&sessionId=acme"))

    assert (nobody[0], unknown[0], stopped[0]) == (400, 404, 400)


async def test_what_is_found_names_the_session_as_it_is_listed(world: World) -> None:
    await linked(world)
    await world.call(
        "POST", "/api/sessions/acme/messages/send-text", {"chatId": "628123456789@c.us", "text": "See you at ten"}
    )

    found = json.loads((await world.call("GET", "/api/search?q=TEN&sessionId=acme")).raw)
    nothing = (await world.call("GET", "/api/search?q=eleven&sessionId=acme")).json
    empty = error(await world.call("GET", "/api/search?q=%20&sessionId=acme"))

    assert [(hit["sessionId"], hit["body"]) for hit in found["hits"]] == [("acme", "See you at ten")]
    assert (nothing["total"], nothing["hits"]) == (0, [])
    assert empty == (400, 'Query parameter "q" is required and must be non-empty.')
