from functools import partial

import pytest

from openwa_manager.api.messaging.responses import BatchOut, BatchPage, MessagePage
from openwa_manager.domain.messaging.messages import BatchId, MessageStatus, Move
from openwa_manager.store.messaging import batches, moves
from tests.api.world import Object, World

SESSION = "/v1/sessions/user_1_session_a"
RECIPIENTS = [{"to": f"+8529000{number:04}"} for number in range(3)]


@pytest.fixture
async def ready(world: World) -> World:
    await world.create(session_id="user_1_session_a", desired="stopped")
    return world


async def a_batch(world: World, **more: object) -> str:
    body = {"name": "march", "template": {"text": "hello"}, "recipients": [*RECIPIENTS, {"to": "0"}], **more}
    reply = await world.call("POST", f"{SESSION}/messages/bulk", body)
    assert reply.status == 202, reply.raw
    return f"/v1/batches/{reply.json['batch_id']}"


async def show(world: World, path: str) -> BatchOut:
    reply = await world.call("GET", path)
    assert reply.status == 200, reply.raw
    return BatchOut.model_validate_json(reply.raw)


async def send_one(world: World, path: str, *, to: MessageStatus) -> None:
    (message_id,) = await world.database.read(
        partial(batches.read_waiting, batch_id=BatchId(path.rpartition("/")[2]), limit=1)
    )
    for status in (MessageStatus.SENDING, to):
        step = Move(to=status, at=1_900_000_000.0)
        assert await world.database.write(partial(moves.move, message_id=message_id, step=step)) is not None


async def test_a_batch_is_shown_with_how_far_it_is(ready: World) -> None:
    path = await a_batch(ready)
    await send_one(ready, path, to=MessageStatus.SENT)

    batch = await show(ready, path)

    assert (batch.name, batch.state, batch.accepted, batch.rejected) == (
        *("march", "active", 3),
        {"invalid_recipient": 1},
    )
    assert (batch.counts, batch.reply_share) == ({"queued": 2, "sent": 1}, 0.0)
    assert (batch.hold, batch.ended_at) == (None, None)
    assert batch.estimated_at is not None


async def test_a_paused_batch_says_so_and_goes_on(ready: World) -> None:
    path = await a_batch(ready)

    paused = await ready.call("PATCH", path, {"state": "paused"})
    page = await ready.call("GET", f"{SESSION}/messages?limit=1")
    queue = await ready.call("GET", f"{SESSION}/queue")
    resumed = await ready.call("PATCH", path, {"state": "active"})

    shown = BatchOut.model_validate_json(paused.raw)
    (message,) = MessagePage.model_validate_json(page.raw).messages
    assert message.hold is not None
    assert shown.hold is not None
    assert (shown.state, shown.hold.code, shown.estimated_at) == ("paused", "batch_paused", None)
    assert (message.hold.code, message.estimated_at, queue.json["estimated_at"]) == ("batch_paused", None, None)
    assert (resumed.json["state"], resumed.json["hold"]) == ("active", None)


async def test_a_batch_outside_its_window_waits_for_it(ready: World) -> None:
    path = await a_batch(ready, send_after="2027-06-01T10:00:00Z")

    batch = await show(ready, path)
    page = await ready.call("GET", f"{SESSION}/messages?limit=1")

    assert batch.hold is not None
    assert (batch.hold.code, batch.hold.until) == ("send_after", "2027-06-01T10:00:00.000Z")
    (message,) = MessagePage.model_validate_json(page.raw).messages
    assert message.estimated_at == "2027-06-01T10:00:00.000Z"
    assert batch.estimated_at is not None
    assert batch.estimated_at > "2027-06-01T10:00:00.000Z"


async def test_a_batch_is_called_off_though_it_is_paused(ready: World) -> None:
    path = await a_batch(ready)
    await send_one(ready, path, to=MessageStatus.UNKNOWN)
    await ready.call("PATCH", path, {"state": "paused"})

    cancelled = await ready.call("DELETE", path)
    again = await ready.call("DELETE", path)
    resumed = await ready.call("PATCH", path, {"state": "active"})

    batch = BatchOut.model_validate_json(cancelled.raw)
    assert (cancelled.status, batch.state, batch.counts) == (200, "cancelled", {"unknown": 1, "cancelled": 2})
    assert (again.status, again.json) == (200, cancelled.json)
    assert (resumed.status, resumed.code) == (409, "illegal_transition")


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PATCH", {"state": "active"}), ("DELETE", None)])
async def test_a_batch_that_is_none_is_not_found(ready: World, method: str, body: Object | None) -> None:
    reply = await ready.call(method, "/v1/batches/batch_1", body)

    assert (reply.status, reply.code) == (404, "not_found")


@pytest.mark.parametrize("body", [{}, {"state": "done"}, {"state": "active", "name": "x"}])
async def test_a_change_that_is_none_is_refused(ready: World, body: Object) -> None:
    reply = await ready.call("PATCH", await a_batch(ready), body)

    assert (reply.status, reply.code) == (422, "invalid")


async def list_page(world: World, **query: object) -> BatchPage:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    reply = await world.call("GET", f"{SESSION}/batches?{asked}")
    assert reply.status == 200, reply.raw
    return BatchPage.model_validate_json(reply.raw)


async def test_batches_are_listed_newest_first_page_by_page(ready: World) -> None:
    assert await list_page(ready) == BatchPage(batches=[], next_cursor=None)
    paths = [await a_batch(ready, recipients=[{"to": f"+8529000{number:04}"}]) for number in range(3)]

    first = await list_page(ready, limit=2)
    second = await list_page(ready, limit=2, cursor=first.next_cursor)

    assert [f"/v1/batches/{each.batch_id}" for each in (*first.batches, *second.batches)] == paths[::-1]
    assert (first.batches[0].counts, second.next_cursor) == ({"queued": 1}, None)
    assert await list_page(ready, cursor="batch_0") == BatchPage(batches=[], next_cursor=None)


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "cursor=1", "state=done"])
async def test_a_page_of_batches_that_cannot_be_meant_is_refused(ready: World, query: str) -> None:
    assert (await ready.call("GET", f"{SESSION}/batches?{query}")).status == 422


async def test_batches_of_no_session_are_not_found(ready: World) -> None:
    assert (await ready.call("GET", "/v1/sessions/user_2/batches")).status == 404
