"""How often callers may ask, seen over HTTP: the whole API, with a clock that only the test moves."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from itertools import count

import pytest
from aiohttp import ClientSession, UnixConnector, web
from pytest_aiohttp import AiohttpClient

from openwa_manager.api.app import control_app
from openwa_manager.domain.access.roles import Role
from openwa_manager.services.access.rate_limits import RateLimits
from tests.api.world import Reply, World, admission_of, backing_of
from tests.fakes.clock import FakeClock

PATH = "/v1/registry"
HERE, ELSEWHERE = "192.0.2.7", "192.0.2.8"

_numbers = count()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def limited(world: World, clock: FakeClock, aiohttp_client: AiohttpClient) -> World:
    """Give a world whose API keeps callers to the rates that hold unless something else is set."""
    admission = replace(admission_of(world), limits=RateLimits(clock), hold_s=0.0)
    world.client = await aiohttp_client(control_app(admission, backing_of(world), world.gateway))
    return world


async def attempt(world: World, address: str = HERE, headers: Mapping[str, str] | None = None) -> Reply:
    """Ask with a key that is none, from there."""
    wrong = {"X-API-Key": f"owm_admin_{next(_numbers):064x}", "X-Forwarded-For": address}
    return await world.call("GET", PATH, headers={**wrong, **(headers or {})})


async def test_a_key_that_asks_too_often_is_told_when_it_may_again(limited: World, clock: FakeClock) -> None:
    for _ in range(40):
        assert (await limited.call("GET", PATH)).status == 200

    reply = await limited.call("GET", PATH)

    assert (reply.status, reply.code) == (429, "rate_limited")
    assert reply.headers["Retry-After"] == "1"
    assert reply.json["retry_after_s"] == 1
    await clock.advance(0.05)
    assert (await limited.call("GET", PATH)).status == 200
    assert (await limited.call("GET", PATH)).status == 429


async def test_both_apis_and_every_path_count_together(limited: World) -> None:
    paths = ("/v1/sessions", "/api/sessions", "/v1/sessions/none", "/nothing", "/api/sessions/none/chats")
    for number in range(40):
        assert (await limited.call("GET", paths[number % len(paths)])).status in (200, 404)

    for path in paths:
        assert (await limited.call("GET", path)).status == 429


async def test_the_gateway_says_so_in_openwas_words(limited: World) -> None:
    for _ in range(40):
        await limited.call("GET", "/api/sessions")

    reply = await limited.call("GET", "/api/sessions")

    assert reply.status == 429
    assert reply.json == {"statusCode": 429, "message": "ThrottlerException: Too Many Requests"}
    assert reply.headers["Retry-After"] == "1"


async def test_one_key_takes_nothing_from_another(limited: World) -> None:
    other = {"X-API-Key": await limited.key_of(Role.VIEWER)}
    for _ in range(41):
        last = await limited.call("GET", PATH)

    assert last.status == 429
    assert (await limited.call("GET", PATH, headers=other)).status == 200


async def test_a_key_has_the_rate_it_was_given_or_that_of_all_others(limited: World) -> None:
    made = await limited.call("POST", "/v1/keys", {"name": "slow", "role": "viewer", "rate_per_s": 1, "rate_burst": 2})
    own = {"X-API-Key": str(made.json["key"])}

    statuses = [(await limited.call("GET", PATH, headers=own)).status for _ in range(3)]

    assert statuses == [200, 200, 429]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/openapi.json", "/api/health"])
async def test_what_needs_no_key_is_not_counted_for_those_who_give_none(limited: World, path: str) -> None:
    for _ in range(60):
        assert (await limited.call("GET", path, headers={"X-API-Key": ""})).status == 200


async def test_starts_and_restarts_of_a_session_count_together_on_both_apis(limited: World, clock: FakeClock) -> None:
    await limited.create(session_id="acme", desired="stopped")
    await limited.create(session_id="other", desired="stopped")

    assert (await limited.call("POST", "/v1/sessions/acme/start")).status == 202
    assert (await limited.call("POST", "/api/sessions/acme/start")).status in (200, 400)
    assert (await limited.call("POST", "/v1/sessions/acme/restart")).status == 202
    ours = await limited.call("POST", "/v1/sessions/acme/start")
    theirs = await limited.call("POST", "/api/sessions/acme/start")

    assert (ours.status, ours.code, ours.headers["Retry-After"]) == (429, "rate_limited", "10")
    assert (theirs.status, theirs.headers["Retry-After"]) == (429, "10")
    assert (await limited.call("POST", "/v1/sessions/acme/stop")).status == 202
    assert (await limited.call("POST", "/v1/sessions/other/start")).status == 202
    await clock.advance(10)
    assert (await limited.call("POST", "/v1/sessions/acme/restart")).status == 202


async def test_starts_of_a_session_that_is_not_there_or_not_his_are_answered_as_ever(limited: World) -> None:
    await limited.create(session_id="acme", desired="stopped")
    key = {"X-API-Key": await limited.key_of(Role.OPERATOR, sessions=["other"])}

    for path in ("/v1/sessions/acme/start", "/v1/sessions/none/start", "/api/sessions/acme/start"):
        for _ in range(5):
            assert (await limited.call("POST", path, headers=key)).status == 404

    for _ in range(3):
        assert (await limited.call("POST", "/v1/sessions/acme/start")).status == 202


async def test_a_viewer_who_may_not_start_a_session_uses_up_none_of_its_starts(limited: World) -> None:
    await limited.create(session_id="acme", desired="stopped")
    key = {"X-API-Key": await limited.key_of(Role.VIEWER)}

    for _ in range(5):
        assert (await limited.call("POST", "/v1/sessions/acme/start", headers=key)).status == 403

    assert (await limited.call("POST", "/v1/sessions/acme/start")).status == 202


async def test_keys_that_are_none_are_refused_with_429_after_ten_in_a_minute(limited: World, clock: FakeClock) -> None:
    for _ in range(10):
        assert (await attempt(limited)).status == 401

    reply = await attempt(limited)

    assert (reply.status, reply.code) == (429, "rate_limited")
    assert reply.headers["Retry-After"] == "6"
    assert (await attempt(limited, ELSEWHERE)).status == 401
    await clock.advance(6)
    assert (await attempt(limited)).status == 401
    assert (await attempt(limited)).status == 429


async def test_a_valid_key_is_let_in_from_where_others_try_keys(limited: World) -> None:
    for _ in range(30):
        await attempt(limited)

    reply = await limited.call("GET", PATH, headers={"X-Forwarded-For": HERE})

    assert reply.status == 200
    assert (await limited.call("GET", PATH, headers={"X-API-Key": "", "X-Forwarded-For": HERE})).status == 401
    assert (await attempt(limited)).status == 429


async def test_who_goes_on_trying_waits_for_each_answer_and_nobody_else_does(
    world: World, clock: FakeClock, aiohttp_client: AiohttpClient
) -> None:
    admission = replace(admission_of(world), limits=RateLimits(clock), hold_s=3600.0)
    world.client = await aiohttp_client(control_app(admission, backing_of(world), world.gateway))
    for _ in range(10):
        assert (await attempt(world)).status == 401

    async with asyncio.TaskGroup() as tasks:
        held = tasks.create_task(attempt(world))
        for _ in range(5):
            assert (await world.call("GET", PATH, headers={"X-Forwarded-For": HERE})).status == 200
        assert (await attempt(world, ELSEWHERE)).status == 401
        assert not held.done()
        held.cancel()


async def test_whoever_writes_many_addresses_is_counted_by_the_one_the_proxy_wrote(limited: World) -> None:
    for number in range(10):
        assert (await attempt(limited, f"198.51.100.{number}, {HERE}")).status == 401

    assert (await attempt(limited, f"198.51.100.99, {HERE}")).status == 429


async def test_attempts_on_what_needs_no_key_are_none(limited: World) -> None:
    for _ in range(20):
        reply = await limited.call("GET", "/livez", headers={"X-API-Key": "owm_wrong", "X-Forwarded-For": HERE})
        assert reply.status == 200

    assert (await attempt(limited)).status == 401


async def test_who_needs_no_key_is_not_limited(limited: World) -> None:
    assert limited.client.server.runner is not None
    path = str(limited.home / "limited.sock")
    await web.UnixSite(limited.client.server.runner, path).start()
    await limited.create(session_id="acme", desired="stopped")

    async with ClientSession(connector=UnixConnector(path)) as client:
        for method, where in (*[("GET", PATH)] * 60, *[("POST", "/v1/sessions/acme/start")] * 5):
            async with client.request(method, f"http://localhost{where}") as answer:
                assert answer.status in (200, 202)
