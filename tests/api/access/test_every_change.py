"""Every route that changes something, as the table has them: the audit tells of each call, once."""

import re

from openwa_manager.api.app import make_table
from openwa_manager.api.routing import Route
from openwa_manager.domain.access.actions import NEEDS, Recorded
from openwa_manager.domain.access.audit import ACCEPTED, FAILED, REFUSED, NewEntry
from openwa_manager.store.access.audit import AuditSelection, window_after
from tests.api.world import World, backing_of

#: Whatever a path names is none of what there is.
_PARAMETER = re.compile(r"\{[^}]+\}")


def changing(world: World) -> list[Route]:
    """Return the routes that change something."""
    table = make_table(backing_of(world), world.gateway)
    return [each for each in table if each.action is not None and each.method not in ("GET", "HEAD")]


async def told(world: World, action: str) -> list[NewEntry]:
    await world.audit.finish()
    chosen = AuditSelection(action=action)
    rows = await world.database.read(lambda connection: window_after(connection, 0, 100_000, chosen).rows)
    return [each.entry for each in rows]


def times(entries: list[NewEntry]) -> int:
    """Return of how many calls they tell."""
    return sum(int(str(each.detail.get("count", 1))) for each in entries)


async def test_every_change_is_told_once_with_actor_address_and_result(world: World) -> None:
    for each in changing(world):
        assert each.action is not None
        if NEEDS[each.action].recorded is Recorded.NEVER:
            continue
        before = len(await told(world, each.action))
        method = "POST" if each.method == "*" else each.method

        reply = await world.call(method, _PARAMETER.sub("nobody", each.path), {})

        assert reply.status < 500, (each.path, reply.raw)
        entries = (await told(world, each.action))[before:]
        is_taken_back = [entry.result for entry in entries] == [ACCEPTED, REFUSED]  # it was found out while it wrote
        assert times(entries) == 1 or is_taken_back, (each.method, each.path)
        newest = entries[-1]
        assert (newest.actor, newest.key_id, newest.address) == ("admin.key", "admin", "127.0.0.1")
        assert newest.result in (ACCEPTED, REFUSED, FAILED)
        if "count" not in newest.detail:
            assert newest.request_id == reply.headers["X-Request-ID"]


def test_what_changes_something_is_told(world: World) -> None:
    untold = {each.action for each in changing(world) if each.action and NEEDS[each.action].recorded is Recorded.NEVER}

    assert untold == {
        "builds.read",  # a check of what is not installed changes nothing
        "contacts.check",  # asks WhatsApp who is there
        "gateway.ask",  # what is refused, whatever it is
    }
