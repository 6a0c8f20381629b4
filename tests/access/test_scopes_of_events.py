"""Which events and deliveries a key sees that is limited to sessions, or lacks the right to codes or chats."""

import asyncio
import json

import pytest

from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.delivery.outbox import append
from tests.access.tenants import Tenants
from tests.api.world import Reply

_WITH_CHATS = ("message.received", "message.edited", "message.reaction", "message.revoked", "status.received")


async def tell(tenants: Tenants, *types: str, session_id: str | None = None) -> int:
    """Let something happen in the own session, or in another, and return behind which seq.

    What begins with `manager.` or `host.` is of none.
    """
    own = tenants.own["session_id"] if session_id is None else session_id
    events = [
        Event(
            type=each,
            occurred_at=1_800_000_000.0,
            session_id=None if each.startswith(("manager.", "host.")) else SessionId(own),
        )
        for each in types
    ]
    stored = await tenants.world.database.write(lambda connection: append(connection, events))
    tenants.world.channels.broadcaster.wake()
    return stored[0].seq - 1


def types_in(reply: Reply) -> list[str]:
    return [each["type"] for each in json.loads(reply.raw)["events"]]


@pytest.mark.parametrize(
    ("qr", "chats", "hidden"),
    [
        (True, True, ()),
        (False, True, ("session.qr",)),
        (True, False, (*_WITH_CHATS, "presence.update", "group.join", "call.received")),
    ],
)
async def test_codes_and_chats_are_shown_to_those_who_may_read_them(
    tenants: Tenants, *, qr: bool, chats: bool, hidden: tuple[str, ...]
) -> None:
    shown = ("session.qr", *_WITH_CHATS, "presence.update", "group.join", "call.received", "message.sent")
    key = await tenants.key(Role.VIEWER, qr=qr, chats=chats)
    query = f"after={await tell(tenants, *shown)}&limit={len(shown) - len(hidden)}"
    visible = [each for each in shown if each not in hidden]

    page = await tenants.ask(key, "GET", f"/v1/events?{query}")
    of_session = await tenants.ask(key, "GET", f"/v1/sessions/{tenants.own['session_id']}/events?{query}")
    asked_for = await tenants.ask(key, "GET", "/v1/events?type=session.qr&type=message.received&type=group.*")

    assert types_in(page) == types_in(of_session) == visible
    assert not set(types_in(asked_for)) & set(hidden)


async def test_the_newest_events_are_the_newest_of_ones_own(tenants: Tenants) -> None:
    key = await tenants.key(Role.VIEWER)
    await tell(tenants, "message.sent", "message.read")
    await tell(tenants, *["message.sent"] * 30, "manager.started", session_id=tenants.foreign["session_id"])

    newest = await tenants.ask(key, "GET", "/v1/events?tail=2&type=message.*")
    first = await tenants.ask(key, "GET", "/v1/events?limit=1")
    second = await tenants.ask(key, "GET", f"/v1/events?type=message.*&after={first.json['next_after']}")

    assert types_in(newest) == ["message.sent", "message.read"]
    assert len(types_in(first)) == 1
    assert types_in(second)[-2:] == ["message.sent", "message.read"]
    assert not tenants.foreign.is_told_in((first.raw + second.raw + newest.raw).decode())


@pytest.mark.parametrize("headers", [{}, {"Last-Event-ID": "0"}])
async def test_a_stream_goes_on_from_anywhere_with_ones_own_events_alone(
    tenants: Tenants, headers: dict[str, str]
) -> None:
    key, said = await tenants.key(Role.VIEWER), ""

    async with tenants.stream(key, "/v1/events", **headers) as answer:
        await tell(tenants, "message.sent", "session.qr", "message.received", "manager.stopping")
        await tell(tenants, "message.sent", "session.qr", session_id=tenants.foreign["session_id"])
        await tell(tenants, "batch.completed")
        async with asyncio.timeout(10):
            while "batch.completed" not in said:
                said += (await answer.content.readline()).decode()

    assert "event: message.sent" in said
    assert not tenants.foreign.is_told_in(said)
    assert not [each for each in ("session.qr", "message.received", "manager.", "host.") if each in said]


async def test_a_session_of_others_has_no_stream(tenants: Tenants) -> None:
    key = await tenants.key(Role.VIEWER)
    told = [
        await tenants.ask(key, "GET", f"/v1/sessions/{each}/events", accept="text/event-stream")
        for each in (tenants.foreign["session_id"], "never_1")
    ]

    assert [each.status for each in told] == [404, 404]


async def test_pages_of_deliveries_hold_ones_own_and_are_full(tenants: Tenants) -> None:
    key = await tenants.key(Role.VIEWER)
    await tell(tenants, *["session.status"] * 3)
    await tell(tenants, *["session.status"] * 30, session_id=tenants.foreign["session_id"])

    first = await tenants.ask(key, "GET", "/v1/deliveries?limit=2")
    second = await tenants.ask(key, "GET", f"/v1/deliveries?limit=2&cursor={first.json['next_cursor']}")

    assert [len(json.loads(each.raw)["deliveries"]) for each in (first, second)] == [2, 2]
    assert not tenants.foreign.is_told_in((first.raw + second.raw).decode())


async def test_a_replay_is_of_ones_own_deliveries(tenants: Tenants) -> None:
    own = {"session_id": tenants.own["session_id"]}
    counted = await tenants.ask(await tenants.key(Role.ADMIN), "POST", "/v1/deliveries/replay", own)

    everything = await tenants.ask(
        await tenants.key(), "POST", "/v1/deliveries/replay", {"since": "2020-01-01T00:00:00Z"}
    )

    assert everything.json == counted.json
    assert everything.json != {"count": 0}
