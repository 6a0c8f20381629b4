"""Who may make links, and for how long they hold."""

import asyncio
import re
from collections.abc import Awaitable
from dataclasses import replace

import pytest

from openwa_manager.domain.access.callers import KeyId
from openwa_manager.domain.access.keys import KeyRevoked
from openwa_manager.domain.access.pairing_links import LINKS_MAX
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import LinkOverError
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.times import iso8601
from tests.api.pairing.building import PUBLIC_URL
from tests.api.pairing.visitor import Visitor, make_link
from tests.api.world import World

LINKS = "/v1/sessions/a/pairing-links"


async def test_a_link_is_below_the_public_url_and_holds_for_ten_minutes(world: World) -> None:
    await world.create(session_id="a")

    reply = await world.call("POST", LINKS, headers={"Host": f"127.0.0.1:{world.port}"})

    assert reply.status == 201
    assert re.fullmatch(re.escape(PUBLIC_URL) + r"/pair/[A-Za-z0-9_-]{43}", str(reply.json["url"]))
    assert reply.json.keys() == {"url", "expires_at"}
    (held,) = world.pairing.links._open.values()
    assert held.link.expires_at - held.link.created_at == 600
    assert reply.json["expires_at"] == iso8601(held.link.expires_at)


@pytest.mark.parametrize(
    "body",
    [
        {"ttl_s": 901},
        {"ttl_s": 0},
        {"ttl_s": "600"},
        {"phone_number": "0171 1234567"},
        {"phone_number": "nobody"},
        {"phone_number": "12345678@c.us"},
        {"phone_number": ""},
        {"url": "https://example.com"},
    ],
)
async def test_what_makes_no_link_is_refused(world: World, body: dict[str, Json]) -> None:
    await world.create(session_id="a", desired="stopped")

    reply = await world.call("POST", LINKS, body)

    assert (reply.status, reply.code in ("invalid", "invalid_recipient")) == (422, True)


@pytest.mark.parametrize("number", ["0171 1234567", "123", "nobody", "123@g.us"])
async def test_a_refused_number_is_called_what_the_caller_calls_it(world: World, number: str) -> None:
    await world.create(session_id="a", desired="stopped")

    reply = await world.call("POST", LINKS, {"phone_number": number})

    assert (reply.status, reply.code) == (422, "invalid_recipient")
    assert str(reply.json["detail"]).startswith("phone_number must be a phone number in international form")


async def test_without_a_public_url_there_are_no_links(world: World) -> None:
    await world.create(session_id="a", desired="stopped")
    object.__setattr__(world.pairing, "public_url", None)

    reply = await world.call("POST", LINKS)

    assert (reply.status, reply.code) == (409, "public_url_missing")


async def test_a_session_that_is_not_there_has_no_links(world: World) -> None:
    reply = await world.call("POST", "/v1/sessions/nobody/pairing-links")

    assert (reply.status, reply.code) == (404, "not_found")


async def test_a_session_that_is_linked_already_gets_no_link(world: World) -> None:
    await world.create(session_id="a", wait_for="connected", env={"SIM_AUTO_SCAN_S": "0.1"})

    reply = await world.call("POST", LINKS)

    assert (reply.status, reply.code) == (409, "illegal_transition")


async def test_so_many_links_of_one_session_hold_that_the_oldest_gives_way(world: World) -> None:
    await world.create(session_id="a", desired="stopped")
    first, *_, last = [await make_link(world) for _ in range(LINKS_MAX + 1)]
    visitor = Visitor(world)

    assert (await visitor.open(first)).status == 404
    assert (await visitor.open(last)).status == 200


async def test_a_link_whose_key_is_revoked_while_it_is_recorded_is_none(world: World) -> None:
    await world.create(session_id="a", desired="stopped")
    links, caller = world.pairing.links, world.keyring.caller_of(await world.key_of(Role.ADMIN, qr=True))
    assert caller is not None
    assert caller.key_id is not None

    async with asyncio.TaskGroup() as tasks:
        making = tasks.create_task(outcome_of(links.create(caller, SessionId("a"), 600, None)))
        await asyncio.sleep(0)  # it has begun, and waits for the database
        assert not making.done()
        world.changes.key_revoked.publish(KeyRevoked(key_id=caller.key_id))

    assert isinstance(making.result(), LinkOverError)
    assert await outcome_of(links.create(replace(caller, key_id=KeyId("lost")), SessionId("a"), 600, None)) is not None


async def outcome_of(making: Awaitable[object]) -> LinkOverError | None:
    """Return why no link was made; None: one was."""
    try:
        await making
    except LinkOverError as error:
        return error
    return None
