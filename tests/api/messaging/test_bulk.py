import asyncio
import io
import json
from collections.abc import Mapping
from functools import partial

import pytest

from openwa_manager.api.messaging.bulk_body import BULK_MAX_BYTES
from openwa_manager.api.messaging.responses import BulkOut, MessagePage
from openwa_manager.domain.messaging.messages import UserKey
from openwa_manager.services.messaging.media import MediaRequest
from openwa_manager.store.messaging import quotas
from openwa_manager.store.messaging.people import suppressions
from tests.api.world import Object, Reply, World

PATH = "/v1/sessions/user_1_session_a/messages/bulk"
TEMPLATE = {"text": "Hello {{name}}"}


@pytest.fixture
async def ready(world: World) -> World:
    await world.create(session_id="user_1_session_a", desired="stopped")
    return world


async def post(world: World, body: Mapping[str, object], key: str | None = None) -> Reply:
    return await world.call("POST", PATH, body, headers={} if key is None else {"Idempotency-Key": key})


async def taken(world: World, body: Mapping[str, object], key: str | None = None) -> BulkOut:
    reply = await post(world, body, key)
    assert reply.status == 202, reply.raw
    return BulkOut.model_validate_json(reply.raw)


def to(*numbers: int, **more: object) -> list[Object]:
    return [{"to": f"+8529000{number:04}", "variables": {"name": f"No {number}"}, **more} for number in numbers]  # type: ignore[dict-item]


async def listed(world: World, query: str = "") -> MessagePage:
    reply = await world.call("GET", f"/v1/sessions/user_1_session_a/messages?{query}")
    return MessagePage.model_validate_json(reply.raw)


async def test_a_template_is_filled_in_for_each_recipient(ready: World) -> None:
    answer = await taken(ready, {"name": "march", "template": TEMPLATE, "recipients": to(1, 2, 3)})

    page = await listed(ready, f"batch_id={answer.batch_id}")
    assert (answer.accepted, answer.rejected, answer.first_contacts, answer.quota_left) == (3, [], 3, None)
    assert answer.finish_at is not None
    assert [each.to for each in page.messages] == ["+85290000003", "+85290000002", "+85290000001"]
    assert {(each.priority, each.status, each.batch_id) for each in page.messages} == {
        ("low", "queued", answer.batch_id)
    }
    assert ready.messaging.outside.woken == ["user_1_session_a"]


async def test_each_that_cannot_be_taken_is_named_with_its_reason(ready: World) -> None:
    ready.messaging.outside.suppressed.add("85290000003@c.us")
    recipients = [
        *to(1),
        {"to": "0123", "variables": {"name": "x"}},
        {"to": "852 9000 0001", "variables": {"name": "x"}},
        *to(3),
        {"to": "+85290000004"},
        {"to": "+85290000004", "variables": {"name": "x" * 4096}},
        *to(4),
    ]

    answer = await taken(ready, {"template": TEMPLATE, "recipients": recipients})

    assert answer.accepted == 2
    assert [(each.index, each.code) for each in answer.rejected] == [
        (1, "invalid_recipient"),
        (2, "duplicate"),
        (3, "opted_out"),
        (4, "missing_variable"),
        (5, "text_too_long"),
    ]
    first = next(each for each in (await listed(ready)).messages if each.to == "+85290000001")
    assert answer.rejected[1].message_id == first.message_id


async def test_whole_messages_may_repeat_a_chat(ready: World) -> None:
    messages = [{"to": "+85290000001", "text": "one"}, {"to": "+85290000001", "text": "two"}]

    answer = await taken(ready, {"messages": messages})

    assert (answer.accepted, answer.rejected) == (2, [])


async def test_a_reference_that_is_known_makes_a_duplicate_unless_there_is_a_key(ready: World) -> None:
    first = await taken(ready, {"template": TEMPLATE, "recipients": to(1, reference="r1")})
    again = await taken(ready, {"template": TEMPLATE, "recipients": [*to(2, reference="r1"), *to(3, reference="r2")]})
    keyed = await taken(ready, {"template": TEMPLATE, "recipients": to(4, reference="r1")}, "k")

    (known,) = (await listed(ready, f"batch_id={first.batch_id}")).messages
    assert [(each.index, each.code, each.message_id) for each in again.rejected] == [(0, "duplicate", known.message_id)]
    assert (again.accepted, keyed.accepted) == (1, 1)


async def test_the_same_key_and_body_is_the_same_batch(ready: World) -> None:
    body = {"template": TEMPLATE, "recipients": [*to(1), {"to": "0"}]}
    first = await post(ready, body, "k")
    again = await post(ready, dict(reversed(body.items())), "k")
    other = await post(ready, {**body, "name": "x"}, "k")
    single = await ready.call(
        "POST", PATH.removesuffix("/bulk"), {"to": "+85290000009", "text": "x"}, headers={"Idempotency-Key": "k"}
    )

    assert (first.status, again.status, again.json) == (202, 200, first.json)
    assert (other.code, single.code) == ("idempotency_mismatch", "idempotency_mismatch")
    assert len((await listed(ready)).messages) == 1


async def test_the_quota_is_taken_in_order(ready: World) -> None:
    await ready.database.write(partial(quotas.set_limit, user_key=UserKey("user:1"), limit=2))

    answer = await taken(ready, {"template": TEMPLATE, "recipients": to(1, 2, 3)})
    full = await post(ready, {"template": TEMPLATE, "recipients": to(4)})

    assert (answer.accepted, answer.quota_left) == (2, 0)
    assert [(each.index, each.code) for each in answer.rejected] == [(2, "quota_exceeded")]
    assert (full.status, full.code) == (429, "quota_exceeded")


async def test_a_dry_run_says_the_same_and_keeps_nothing(ready: World) -> None:
    await ready.database.write(partial(quotas.set_limit, user_key=UserKey("user:1"), limit=2))
    body = {"template": TEMPLATE, "recipients": [*to(1, 1, 2, 3), {"to": "0"}]}

    dry = await post(ready, {**body, "dry_run": True}, "k")
    nothing = await listed(ready)
    real = await taken(ready, body, "k")

    said = BulkOut.model_validate_json(dry.raw)
    assert (dry.status, said.batch_id, nothing.messages) == (200, None, [])
    assert (said.accepted, said.first_contacts, said.quota_left) == (
        real.accepted,
        real.first_contacts,
        real.quota_left,
    )
    assert [(each.index, each.code) for each in said.rejected] == [(each.index, each.code) for each in real.rejected]
    assert [each.message_id for each in said.rejected] == [None] * len(said.rejected)  # no such message is kept


async def test_a_file_is_had_before_anybody_is_promised_it(ready: World) -> None:
    files = ready.messaging.outside.media
    files.lost.add("https://example.com/lost")
    files.forbidden.add("https://example.com/forbidden")

    def body(url: str, **more: str) -> Object:
        return {"template": {"image_url": url, "caption": "{{name}}", **more}, "recipients": to(1)}

    good = await taken(ready, body("https://example.com/a.png"))
    lost = await post(ready, body("https://example.com/lost"))
    forbidden = await post(ready, body("https://example.com/forbidden"))
    instead = await taken(ready, body("https://example.com/lost", fallback_text="see our page"))

    assert [request.batch_id for request in files.had] == [good.batch_id]
    assert [(reply.status, reply.code, reply.json["field"]) for reply in (lost, forbidden)] == [
        (422, "invalid", "template")
    ] * 2
    assert instead.accepted == 1


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "invalid", "body"),
        ({"messages": []}, "invalid", "messages"),
        ({"template": TEMPLATE, "recipients": []}, "invalid", "recipients"),
        ({"template": TEMPLATE}, "invalid", "body"),
        ({"messages": [{"to": "+85290000001", "text": "x"}], "template": TEMPLATE}, "invalid", "body"),
        ({"messages": [{"to": "+85290000001", "text": "x"}, {"to": "+85290000001"}]}, "invalid", "messages.1"),
        ({"messages": [{"to": "+85290000001", "text": ""}]}, "invalid", "messages.0.text"),
        ({"messages": [{"to": "+85290000001", "text": "x", "colour": "red"}]}, "invalid", "messages.0.colour"),
        ({"messages": [1]}, "invalid", "messages.0"),
        ({"messages": [[]]}, "invalid", "messages.0"),
        ({"messages": "x"}, "invalid", "messages"),
        ({"template": {"text": ""}, "recipients": to(1)}, "invalid", "template.text"),
        ({"template": {"text": "{{a b}}"}, "recipients": to(1)}, "invalid", "template.text"),
        ({"template": TEMPLATE, "recipients": [{"to": 1}]}, "invalid", "recipients.0.to"),
        ({"template": TEMPLATE, "recipients": [{"to": "x", "variables": {"name": []}}]}, "invalid", None),
        ({"template": TEMPLATE, "recipients": to(1), "expires_at": "2020-01-01T00:00:00Z"}, "invalid", "expires_at"),
        ({"template": TEMPLATE, "recipients": to(1), "window": {"from": "9", "to": "20:00"}}, "invalid", "window.from"),
        (
            {"template": TEMPLATE, "recipients": to(1), "window": {"from": "09:00", "to": "20:00", "time_zone": "X"}},
            "invalid",
            "window.time_zone",
        ),
        (
            {"template": TEMPLATE, "recipients": to(1), "window": {"from": "09:00", "to": "20:00", "days": [8]}},
            "invalid",
            "window.days.0",
        ),
        ({"template": TEMPLATE, "recipients": to(1), "dry_run": "yes"}, "invalid", "dry_run"),
    ],
)
async def test_a_request_that_is_none_is_refused_whole(
    ready: World, body: Object, code: str, field: str | None
) -> None:
    reply = await post(ready, body)

    assert (reply.status, reply.code) == (422, code), reply.raw
    assert field is None or reply.json["field"] == field
    assert (await listed(ready)).messages == []


async def test_what_has_no_moment_to_be_sent_is_never_sendable(ready: World) -> None:
    window = {"from": "02:00", "to": "02:01", "days": [1]}
    soon = {"send_after": "2027-06-01T10:00:00Z", "expires_at": "2027-06-01T10:00:01Z"}

    closed = await post(ready, {"template": TEMPLATE, "recipients": to(1), "window": window, **soon})

    assert (closed.status, closed.code) == (422, "never_sendable")


async def test_a_batch_and_its_body_are_bounded(ready: World) -> None:
    many = {"messages": [{"to": "+85290000001", "text": "x"}] * 10_001}
    headers = {"X-API-Key": ready.key, "Content-Type": "application/json"}
    async with ready.client.post(PATH, data=io.BytesIO(b"x" * (BULK_MAX_BYTES + 1)), headers=headers) as answer:
        large = answer.status
    wide = {"messages": [{"to": "+85290000001", "text": "x" * 70_000}]}

    replies = [await post(ready, many), await post(ready, wide)]

    assert large == 413
    assert [(reply.status, reply.json["field"]) for reply in replies] == [(422, "messages"), (422, "messages.0")]


@pytest.mark.parametrize(
    "raw",
    [
        b"[1]",
        b"{",
        b'{"messages": [{"to": "x"}',
        b'{"messages": [{"to": "+85290000001", "text": "x"},]}',
        b'{"messages": [{"to": "+85290000001", "text": "x"} {"to": "+85290000002", "text": "x"}]}',
        b'{"messages": [{"to": "+85290000001", "text": "x"}, 1, {"to": "+85290000002", "text": "x"}]}',
        b'{"messages": [{"to": "+85290000001", "text": "x"}], "messages": [{"to": "+85290000002", "text": "x"}]}',
        b'{"messages": [{"to": "+85290000001", "text": "\xff"}]}',
        b'{"messages": ' + b"[" * 100_000,
        b'{"messages": [{"to": "+85290000001", "text": "x',
        b"]" * 1000,
    ],
)
async def test_what_is_no_json_is_refused(ready: World, raw: bytes) -> None:
    headers = {"X-API-Key": ready.key, "Content-Type": "application/json"}
    async with ready.client.post(PATH, data=raw, headers=headers) as answer:
        problem = json.loads(await answer.read())

    assert problem["status"] in (400, 422)
    assert (await listed(ready)).messages == []


async def test_an_opt_out_while_a_batch_is_taken_in_counts(ready: World) -> None:
    await ready.database.write(
        partial(suppressions.add, user_key=UserKey("user:1"), chat_id="85290000002@c.us", reason="STOP", at=4e9)
    )

    answer = await taken(ready, {"template": TEMPLATE, "recipients": to(1, 2)})

    page = await listed(ready, f"batch_id={answer.batch_id}")
    assert [(each.status, each.error_code) for each in page.messages] == [("cancelled", "opted_out"), ("queued", None)]


async def test_an_unknown_session_has_no_batch(ready: World) -> None:
    reply = await ready.call("POST", "/v1/sessions/nobody/messages/bulk", {"template": TEMPLATE, "recipients": to(1)})

    assert (reply.status, reply.code) == (404, "not_found")


async def test_a_host_of_files_that_is_slow_holds_up_no_other_batch(
    ready: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answered = asyncio.Event(), asyncio.Event()

    async def prefetch(request: MediaRequest) -> None:
        assert request.batch_id
        asked.set()
        await answered.wait()

    monkeypatch.setattr(ready.messaging.outside.media, "prefetch", prefetch)
    slow = {"template": {"image_url": "https://example.com/a.png"}, "recipients": to(1)}
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(taken(ready, slow, "k"))
        await asked.wait()

        other = await taken(ready, {"template": TEMPLATE, "recipients": to(2)})
        answered.set()
    again = await post(ready, slow, "k")

    assert (other.accepted, waiting.result().accepted, again.status) == (1, 1, 200)
    assert BulkOut.model_validate_json(again.raw) == waiting.result()
