"""A webhook that is made, changed or taken away while its session's engine does not run."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial

import pytest

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.delivery.user_webhooks import UserWebhook
from openwa_manager.domain.session.session import Status
from openwa_manager.store.delivery.user_webhooks import save_webhooks
from tests.api.gateway.kept.test_webhooks import (
    ELSEWHERE,
    HOOKS,
    SECRET,
    at_engine,
    is_signed,
    listed,
    made,
    send,
    started_again,
    stopped,
)
from tests.api.gateway.test_sessions import error, linked
from tests.api.world import Object, World
from tests.fakes.receiver import Receiver, receiving


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as built:
        yield built


async def test_a_webhook_made_before_the_first_start_posts(world: World, receiver: Receiver) -> None:
    await world.create(session_id="acme", desired="stopped", env={"SIM_AUTO_SCAN_S": "0.05"})
    hook = await made(world, receiver, headers={"X-Mine": "yes"})
    before = await listed(world)
    await started_again(world)

    await send(world)

    (post, *_) = await receiver.until(1)
    assert (hook["sessionId"], hook["events"], hook["active"]) == ("acme", ["message.sent"], True)
    assert before == [hook]
    assert (post.json["event"], post.headers["X-Mine"], is_signed(post)) == ("message.sent", "yes", True)
    assert [(each["id"], each["url"]) for each in await listed(world)] == [(hook["id"], receiver.url)]


async def test_a_workflow_is_switched_off_and_on_and_off_again(world: World, receiver: Receiver) -> None:
    await linked(world)
    first = await made(world, receiver)
    await stopped(world)

    off = await world.call("DELETE", f"{HOOKS}/{first['id']}")
    again = await made(world, receiver)
    await started_again(world)
    shown = await world.call("GET", f"{HOOKS}/{again['id']}")
    test = await world.call("POST", f"{HOOKS}/{again['id']}/test")
    gone = await world.call("DELETE", f"{HOOKS}/{again['id']}")

    assert (off.status, shown.status, test.json, gone.status) == (204, 200, {"success": True, "statusCode": 200}, 204)
    assert receiver.received[0].json["data"]["webhookId"] == again["id"]  # type: ignore[index]
    assert await listed(world) == []
    assert await listed(world, "/api/webhooks") == []


async def test_a_webhook_that_no_engine_ever_had_leaves_nothing(world: World, receiver: Receiver) -> None:
    await world.create(session_id="acme", desired="stopped")
    hook = await made(world, receiver)

    assert (await world.call("DELETE", f"{HOOKS}/{hook['id']}")).status == 204

    assert await listed(world) == []
    assert error(await world.call("GET", f"{HOOKS}/{hook['id']}"))[0] == 404


async def test_changes_while_no_engine_runs_reach_the_next(world: World, receiver: Receiver) -> None:
    await linked(world)
    hook = await made(world, receiver, url="http://127.0.0.1:9/nobody", secret="another-secret-of-his")
    await stopped(world)

    await world.call("PUT", f"{HOOKS}/{hook['id']}", {"retryCount": 5, "active": False})
    changed = await world.call("PUT", f"{HOOKS}/{hook['id']}", {"url": receiver.url, "secret": SECRET, "active": True})
    await started_again(world)
    await send(world)

    (post, *_) = await receiver.until(1)
    (shown,) = await listed(world)
    assert (changed.status, changed.json["retryCount"]) == (200, 5)
    assert is_signed(post)
    assert [shown[name] for name in ("id", "url", "retryCount", "active")] == [hook["id"], receiver.url, 5, True]


async def test_one_made_inactive_is_so_at_the_engine_too(world: World, receiver: Receiver) -> None:
    await world.create(session_id="acme", desired="stopped", env={"SIM_AUTO_SCAN_S": "0.05"})
    hook = await made(world, receiver)
    await world.call("PUT", f"{HOOKS}/{hook['id']}", {"active": False})
    await started_again(world)

    assert [(each["id"], each["active"]) for each in await listed(world)] == [(hook["id"], False)]


async def test_one_made_while_the_engine_comes_up_is_not_forgotten(world: World, receiver: Receiver) -> None:
    await world.create(session_id="acme", desired="running", wait_for="none", env={"SIM_BOOT_S": "0.3"})

    hook = await made(world, receiver)

    await world.sessions.wait("acme", lambda session: session.status is Status.QR_READY, 20)
    assert hook["url"] == receiver.url
    urls = [each["url"] for each in json.loads((await at_engine(world)).raw)]
    assert sum("/relay/acme/" in url for url in urls) == 1


async def test_what_an_engine_refuses_is_listed_as_inactive_and_can_go(world: World, receiver: Receiver) -> None:
    await world.create(session_id="acme", desired="stopped", env={"SIM_AUTO_SCAN_S": "0.05"})
    hook = await made(world, receiver, events=["poll.vote"])
    await started_again(world)

    shown = await listed(world)
    changed = await world.call("PUT", f"{HOOKS}/{hook['id']}", {"events": ["message.sent"]})
    healed = await listed(world)

    assert [(each["id"], each["active"]) for each in shown] == [(hook["id"], False)]
    assert changed.status == 200
    assert [(each["id"], each["active"], each["events"]) for each in healed] == [(hook["id"], True, ["message.sent"])]


async def test_a_form_makes_a_webhook_running_or_not(world: World, receiver: Receiver) -> None:
    await linked(world)
    form = f"url={receiver.url}&events[0]=message.sent&events[1]=*&retryCount=2&headers[X-A]=b&secret={SECRET}"
    headers = {"X-API-Key": world.key, "Content-Type": "application/x-www-form-urlencoded"}

    async with world.client.post(HOOKS, data=form, headers=headers) as answer:
        running = answer.status
    await stopped(world)
    async with world.client.post(HOOKS, data=form, headers=headers) as answer:
        resting = answer.status

    assert (running, resting) == (201, 201)
    assert [(each["events"], each["retryCount"]) for each in await listed(world)] == [(["message.sent", "*"], 2)] * 2


async def test_what_a_former_version_left_is_known_once_an_engine_runs_and_taken_over(world: World) -> None:
    await linked(world)
    left = (await at_engine(world, "POST", body={"url": ELSEWHERE, "events": ["message.sent"]})).json
    other = (await at_engine(world, "POST", body={"url": f"{ELSEWHERE}/other", "events": ["message.sent"]})).json
    await stopped(world)
    unknown = await listed(world)
    hook = (await world.call("POST", HOOKS, {"url": ELSEWHERE, "events": ["message.sent"]})).json
    await started_again(world)

    known = {(each["id"], each["url"]) for each in await listed(world, "/api/webhooks")}
    taken_over = (await at_engine(world, path=f"/{left['id']}")).json

    assert unknown == []
    assert known == {(hook["id"], ELSEWHERE), (other["id"], f"{ELSEWHERE}/other")}
    assert "/relay/acme/" in str(taken_over["url"])


CONDITION = {"field": "body", "operator": "contains", "value": "x"}


@pytest.mark.parametrize(
    "fields",
    [
        {"events": []},
        {"events": ["mesage.sent"]},
        {"events": "message.sent"},
        {"retryCount": 6},
        {"retryCount": -1},
        {"retryCount": "two"},
        {"secret": "short"},
        {"secret": 7},
        {"headers": {"X A": "b"}},
        {"headers": {"X-A": "b\r\nX-B: c"}},
        {"headers": {"X-A": 1}},
        {"headers": {"X-A": "世"}},
        {"headers": {f"X-{number}": "" for number in range(51)}},
        {"filters": {"conditions": [{**CONDITION, "field": "nothing"}]}},
        {"filters": {"conditions": [{**CONDITION, "operator": "is"}]}},
        {"filters": {"conditions": [{**CONDITION, "value": True}]}},
        {"filters": {"conditions": [{"field": "isGroup", "operator": "is", "value": "yes"}]}},
        {"filters": {"conditions": [{"field": "type", "operator": "is", "value": ["gif"]}]}},
        {"filters": {"conditions": [CONDITION] * 21}},
        {"active": True},
        {"unknown": 1},
    ],
    ids=str,
)
async def test_what_openwa_would_refuse_is_not_kept(
    world: World, receiver: Receiver, fields: dict[str, object]
) -> None:
    await world.create(session_id="acme", desired="stopped")

    refused = await world.call("POST", HOOKS, {"url": receiver.url, **fields})

    assert refused.status == 400
    assert await listed(world) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"events": ["*"], "secret": "", "headers": {}, "filters": None},
        {"events": None, "secret": None, "headers": [], "retryCount": "0"},
        {"filters": {"conditions": [CONDITION, {"field": "sender", "operator": "isNot", "value": ["1@c.us"]}]}},
        {"filters": {"conditions": [{"field": "fromMe", "operator": "is", "value": False}]}},
    ],
    ids=str,
)
async def test_what_openwa_takes_is_kept_and_taken(world: World, receiver: Receiver, fields: Object) -> None:
    await world.create(session_id="acme", desired="stopped", env={"SIM_AUTO_SCAN_S": "0.05"})
    kept = await world.call("POST", HOOKS, {"url": receiver.url, **fields})
    await started_again(world)

    assert kept.status == 201
    assert [(each["id"], each["active"]) for each in await listed(world)] == [(kept.json["id"], True)]


@pytest.mark.parametrize("is_running", [False, True])
async def test_a_webhook_too_large_to_be_shown_is_refused(world: World, receiver: Receiver, is_running: bool) -> None:
    await (linked(world) if is_running else world.create(session_id="acme", desired="stopped"))
    conditions = [{**CONDITION, "value": "x" * 1000}] * 16

    long = await world.call("POST", HOOKS, {"url": receiver.url, "filters": {"conditions": conditions}})
    larger = await world.call("POST", HOOKS, {"url": receiver.url, "headers": {"X-A": "x" * 70_000}})

    assert (long.status, larger.status) == (400, 413)
    assert await listed(world) == []


async def test_a_session_has_no_more_webhooks_than_openwa_allows(world: World, receiver: Receiver) -> None:
    env = {"SIM_AUTO_SCAN_S": "0.05", "WEBHOOK_MAX_PER_SESSION": "3"}
    await world.create(session_id="acme", desired="stopped", env=env)
    async with asyncio.TaskGroup() as group:
        tries = [group.create_task(world.call("POST", HOOKS, {"url": receiver.url})) for _ in range(4)]
    answers = [each.result() for each in tries]
    refused = next(each for each in answers if each.status != 201)

    message = "Webhook limit reached for this session (3/3); delete one before registering another"
    assert sorted(each.status for each in answers) == [201, 201, 400, 400]
    assert error(refused) == (400, message)


async def test_webhooks_an_engine_has_no_room_for_keep_no_session_from_coming_up(
    world: World, receiver: Receiver
) -> None:
    await world.create(session_id="acme", desired="stopped", env={"SIM_AUTO_SCAN_S": "0.05"})
    acme = world.sessions.get("acme").session_id
    record: dict[str, Json] = {"events": ["*"], "active": True, "url": receiver.url}
    kept = [
        UserWebhook(
            token=f"{number:032x}",
            session_id=acme,
            url=receiver.url,
            relay_secret="between-engine-and-us",
            record={**record, "id": str(number)},
            pending={"events": ["*"]},
        )
        for number in range(20)
    ]
    await world.database.write(partial(save_webhooks, webhooks=kept))

    await started_again(world)

    shown = await listed(world)
    assert [sum(each["active"] is is_active for each in shown) for is_active in (True, False)] == [15, 5]
