"""What becomes of links when the daemon starts anew."""

import pytest

from openwa_manager.domain.access.callers import KeyId
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.errors import LinkOverError
from openwa_manager.services.access.pairing.links import PairingLinks
from openwa_manager.store.database import Connection
from tests.api.pairing.visitor import Visitor, make_link
from tests.api.world import World
from tests.fakes.polling import until


async def loaded_anew(world: World) -> PairingLinks:
    """Return the links as the next daemon takes them up from the same database."""
    links = world.pairing.links
    again = PairingLinks(world.sessions, world.requests, world.database, links._clock, links._keys, links._audit)
    await again.load()
    return again


def forget_ends(connection: Connection) -> None:
    connection.execute("UPDATE pairing_link SET ended_at = NULL")


def token(path: str) -> str:
    return path.rpartition("/")[2]


async def test_a_link_goes_on_for_the_browser_that_has_it(world: World) -> None:
    await world.create(session_id="a", desired="stopped")
    held, fresh = await make_link(world, phone_number="+85251234567"), await make_link(world)
    visitor = Visitor(world)
    await visitor.press(held)

    again = await loaded_anew(world)

    (secret,) = visitor.cookies.values()
    assert again.find(token(held)).is_of(secret)
    assert again.find(token(held)).link == world.pairing.links.find(token(held)).link
    assert again.find(token(fresh)).link.browser_sha256 is None


async def test_a_link_ends_whose_key_was_lost_meanwhile(world: World) -> None:
    await world.create(session_id="a", desired="stopped")
    key = await world.key_of(Role.OPERATOR, qr=True)
    path = await make_link(world, key=key)
    world.keyring.ring.drop(KeyId(key.split("_")[1]))

    again = await loaded_anew(world)

    with pytest.raises(LinkOverError):
        again.find(token(path))


async def test_a_link_ends_whose_session_was_linked_meanwhile(world: World) -> None:
    await world.create(session_id="a", desired="stopped", env={"SIM_QR_DELAY_S": "0.05"})
    path = await make_link(world)
    await world.call("POST", "/v1/sessions/a/start")
    await world.call("GET", "/v1/sessions/a/qr?wait=20")
    await world.play("a", "scan")
    await world.sessions.wait("a", lambda session: session.connected_at is not None, 20)
    await world.database.write(forget_ends)

    again = await loaded_anew(world)

    with pytest.raises(LinkOverError):
        again.find(token(path))


async def test_a_link_that_has_ended_stays_so(world: World) -> None:
    await world.create(session_id="a", desired="stopped")
    path = await make_link(world)
    world.pairing.links._end(world.pairing.links.find(token(path)), "for this test")
    await until(lambda: not world.pairing.links._unrecorded)

    again = await loaded_anew(world)

    with pytest.raises(LinkOverError):
        again.find(token(path))
