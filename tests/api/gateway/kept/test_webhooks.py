"""A user's webhook: what its user sees, what its engine has, and what is posted."""

import json
from collections.abc import AsyncIterator
from functools import partial

import pytest
from aiohttp import ClientSession, UnixConnector

from openwa_manager.domain.delivery.user_webhooks import UserWebhook
from openwa_manager.domain.session.session import Session, Status
from openwa_manager.store.delivery.user_webhooks import save_webhooks, webhooks_of
from tests.api.gateway.test_sessions import error, linked
from tests.api.world import Object, Reply, World, sign
from tests.fakes.receiver import Received, Receiver, receiving

HOOKS = "/api/sessions/acme/webhooks"
SECRET = "a-secret-of-the-user"
#: An address for documentation, where nobody is (RFC 5737), which OpenWA's guard lets pass.
ELSEWHERE = "http://192.0.2.1:9"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as built:
        yield built


async def made(world: World, receiver: Receiver, **fields: object) -> Object:
    """Have a webhook made through the gateway."""
    body = {"url": receiver.url, "events": ["message.sent"], "secret": SECRET, **fields}
    reply = await world.call("POST", HOOKS, body)
    assert reply.status == 201, reply.raw
    return reply.json


async def send(world: World) -> None:
    chat = {"chatId": "628123456789@c.us", "text": "Hello"}
    assert (await world.call("POST", "/api/sessions/acme/messages/send-text", chat)).status == 201


async def at_engine(world: World, method: str = "GET", path: str = "", body: object = None) -> Reply:
    """Ask the session's engine itself about its webhooks."""
    session = world.sessions.get("acme")
    assert session.launch is not None
    url = f"http://localhost/api/sessions/{session.inner_id}/webhooks{path}"
    headers = {"X-API-Key": session.engine_key}
    async with (
        ClientSession(connector=UnixConnector(str(session.launch.socket))) as engine,
        engine.request(method, url, headers=headers, json=body) as answer,
    ):
        return Reply(answer.status, dict(answer.headers), await answer.read())


async def listed(world: World, path: str = HOOKS) -> list[Object]:
    shown: list[Object] = json.loads((await world.call("GET", path)).raw)
    return shown


async def stopped(world: World) -> None:
    await world.call("POST", "/api/sessions/acme/stop")


async def started_again(world: World) -> None:
    await world.call("POST", "/api/sessions/acme/start")
    await world.sessions.wait("acme", lambda session: session.status is Status.CONNECTED, 20)


def is_signed(post: Received) -> bool:
    return post.headers["X-OpenWA-Signature"] == sign(SECRET, post.body)


def inner_id(session: Session) -> str:
    assert session.inner_id is not None
    return session.inner_id


async def test_a_post_names_the_session_as_it_is_listed(world: World, receiver: Receiver) -> None:
    session = await linked(world)
    hook = await made(world, receiver, headers={"X-Mine": "yes", "Authorization": "Bearer mine"})

    await send(world)

    (post, *_) = await receiver.until(1)
    assert (post.json["event"], post.json["sessionId"]) == ("message.sent", "acme")
    assert is_signed(post)
    assert (post.headers["X-Mine"], post.headers["Authorization"]) == ("yes", "Bearer mine")
    assert post.headers["X-OpenWA-Event"] == "message.sent"
    assert post.headers["X-OpenWA-Idempotency-Key"] == post.json["idempotencyKey"]
    assert inner_id(session) not in str(post)
    assert (hook["url"], hook["sessionId"]) == (receiver.url, "acme")


async def test_an_engine_knows_neither_address_nor_secret_of_its_user(world: World, receiver: Receiver) -> None:
    await linked(world)
    hook = await made(world, receiver)

    known = next(each for each in json.loads((await at_engine(world)).raw) if each["id"] == hook["id"])

    assert "/relay/acme/" in known["url"]
    (row,) = await world.database.read(partial(webhooks_of, session_id=world.sessions.get("acme").session_id))
    assert row.relay_secret not in (None, SECRET)


async def test_a_test_tells_what_the_receiver_answered(world: World, receiver: Receiver) -> None:
    await linked(world)
    hook = await made(world, receiver)
    receiver.answers += [200, 418]

    well = await world.call("POST", f"{HOOKS}/{hook['id']}/test")
    badly = await world.call("POST", f"{HOOKS}/{hook['id']}/test")

    assert (well.json, badly.json) == ({"success": True, "statusCode": 200}, {"success": False, "statusCode": 418})
    assert receiver.received[0].json["data"]["url"] == receiver.url  # type: ignore[index]


async def test_a_webhook_without_a_secret_is_posted_unsigned(world: World, receiver: Receiver) -> None:
    await linked(world)
    await world.call("POST", HOOKS, {"url": receiver.url, "events": ["message.sent"]})

    await send(world)

    (post, *_) = await receiver.until(1)
    assert "X-OpenWA-Signature" not in post.headers


async def test_a_change_of_address_and_secret_counts_at_once(world: World, receiver: Receiver) -> None:
    await linked(world)
    hook = await made(world, receiver, url="http://127.0.0.1:9/nobody", secret="another-secret-of-his")

    changed = await world.call("PUT", f"{HOOKS}/{hook['id']}", {"url": receiver.url, "secret": SECRET})
    await world.call("PUT", f"{HOOKS}/{hook['id']}", {"retryCount": 5})
    await send(world)

    (post, *_) = await receiver.until(1)
    assert is_signed(post)
    assert changed.json["url"] == receiver.url
    assert [(each["url"], each["retryCount"]) for each in await listed(world)] == [(receiver.url, 5)]


@pytest.mark.parametrize("secret", ["", None])
async def test_a_secret_that_is_taken_away_signs_no_more(world: World, receiver: Receiver, secret: str | None) -> None:
    await linked(world)
    hook = await made(world, receiver)

    await world.call("PUT", f"{HOOKS}/{hook['id']}", {"secret": secret})
    await send(world)

    (post, *_) = await receiver.until(1)
    assert "X-OpenWA-Signature" not in post.headers


async def test_a_stopped_session_shows_its_webhooks(world: World, receiver: Receiver) -> None:
    await linked(world)
    hook = await made(world, receiver)
    await stopped(world)

    one = await world.call("GET", f"{HOOKS}/{hook['id']}")
    unknown = error(await world.call("GET", f"{HOOKS}/nothing"))
    test = await world.call("POST", f"{HOOKS}/{hook['id']}/test")

    assert await listed(world) == [hook]
    assert one.json == hook
    assert unknown == (404, "Webhook with id 'nothing' not found")
    assert (test.status, test.json["code"]) == (409, "SESSION_NOT_STARTED")


async def test_a_webhook_deleted_while_no_engine_runs_stays_deleted(world: World, receiver: Receiver) -> None:
    await linked(world)
    gone, kept = await made(world, receiver), await made(world, receiver)
    await stopped(world)

    deleted = await world.call("DELETE", f"{HOOKS}/{gone['id']}")
    again = await world.call("DELETE", f"{HOOKS}/{gone['id']}")
    while_stopped = await listed(world)
    await started_again(world)

    assert (deleted.status, again.status) == (204, 404)
    assert while_stopped == [kept]
    assert (await at_engine(world, path=f"/{gone['id']}")).status == 404
    assert [each["id"] for each in await listed(world)] == [kept["id"]]
    rows = await world.database.read(partial(webhooks_of, session_id=None))
    assert [row.webhook_id for row in rows] == [kept["id"]]


async def test_a_launch_posts_to_where_we_listen_now(world: World, receiver: Receiver) -> None:
    await linked(world)
    hook = await made(world, receiver)
    known = (await at_engine(world, path=f"/{hook['id']}")).json["url"]
    assert isinstance(known, str)
    formerly = ELSEWHERE + known[known.index("/relay/") :]
    await at_engine(world, "PUT", f"/{hook['id']}", {"url": formerly})
    await stopped(world)
    await started_again(world)

    await send(world)

    await receiver.until(1)
    renewed = (await at_engine(world, path=f"/{hook['id']}")).json["url"]
    assert isinstance(renewed, str)
    assert renewed.partition("/relay/")[2] == known.partition("/relay/")[2]
    assert not renewed.startswith(ELSEWHERE)
    assert renewed != known  # each launch has a name of its own for the intake


async def test_a_deleted_webhook_is_posted_to_nobody(world: World, receiver: Receiver) -> None:
    await linked(world)
    hook = await made(world, receiver)

    assert (await world.call("DELETE", f"{HOOKS}/{hook['id']}")).status == 204

    assert await listed(world, "/api/webhooks") == []
    assert await listed(world) == []
    assert (await at_engine(world, path=f"/{hook['id']}")).status == 404


async def test_webhooks_of_all_sessions_are_listed_newest_first(world: World, receiver: Receiver) -> None:
    await linked(world)
    first, second = await made(world, receiver), await made(world, receiver)

    assert await listed(world, "/api/webhooks") == [second, first]
    assert await listed(world, "/api/webhooks?limit=1&offset=1") == [first]


async def test_what_a_former_version_left_at_the_engine_is_known_and_can_go(world: World) -> None:
    await linked(world)
    old = (await at_engine(world, "POST", body={"url": ELSEWHERE, "events": ["message.sent"]})).json
    shown = await listed(world)
    await stopped(world)

    assert [(each["id"], each["url"]) for each in shown] == [(old["id"], ELSEWHERE)]
    assert await listed(world) == shown
    assert (await world.call("DELETE", f"{HOOKS}/{old['id']}")).status == 204
    await started_again(world)
    assert (await at_engine(world, path=f"/{old['id']}")).status == 404


async def test_what_the_engine_has_lost_is_forgotten(world: World, receiver: Receiver) -> None:
    await linked(world)
    hook = await made(world, receiver)
    await at_engine(world, "DELETE", f"/{hook['id']}")

    page = await listed(world, f"{HOOKS}?limit=1")
    known = await listed(world, "/api/webhooks")
    await listed(world)

    assert (page, known) == ([], [hook])
    assert await listed(world, "/api/webhooks") == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ([], 400),
        ({"url": 7}, 400),
        ({"url": "https://u:p@example.com/"}, 400),
        ({"url": "http://nothing.invalid/"}, 400),
        ({"url": "http://127.0.0.1:9/", "secret": "short"}, 400),
        ({"url": "http://127.0.0.1:9/", "secret": "x" * 256}, 400),
        ({"url": "http://127.0.0.1:9/", "secret": 7}, 400),
        ({"url": "http://127.0.0.1:9/", "events": ["nothing.known"]}, 400),
    ],
)
async def test_what_openwa_would_refuse_leaves_nothing_behind(world: World, body: object, status: int) -> None:
    await linked(world)

    refusal = error(await world.call("POST", HOOKS, body))

    assert refusal[0] == status
    assert await world.database.read(partial(webhooks_of, session_id=None)) == []


async def known_before(world: World, count: int, webhook_id: str | None) -> None:
    """Record so many webhooks; with `webhook_id` None the engine never answered for them."""
    webhooks = [
        UserWebhook(
            token=f"{number:032x}",
            session_id=world.sessions.get("acme").session_id,
            url="https://user.example/",
            webhook_id=webhook_id and f"{webhook_id}{number}",
        )
        for number in range(count)
    ]
    await world.database.write(partial(save_webhooks, webhooks=webhooks))


async def test_a_session_has_no_more_webhooks_than_it_may(world: World, receiver: Receiver) -> None:
    await linked(world)
    await known_before(world, 100, "hook")

    refused = error(await world.call("POST", HOOKS, {"url": receiver.url, "events": ["message.sent"]}))

    assert refused == (400, "a session has at most 100 webhooks")


async def test_webhooks_that_the_engine_never_took_keep_out_no_new_one(world: World, receiver: Receiver) -> None:
    await linked(world)
    await known_before(world, 100, None)

    hook = await made(world, receiver)

    rows = await world.database.read(partial(webhooks_of, session_id=None))
    assert [row.webhook_id for row in rows] == [hook["id"]]


async def test_a_record_as_long_as_no_openwa_has_is_not_kept(world: World) -> None:
    await linked(world)
    long = {"url": f"{ELSEWHERE}?{'x' * 17_000}", "events": ["message.sent"]}
    assert (await at_engine(world, "POST", body=long)).status == 201

    reply = await world.call("GET", HOOKS)

    assert reply.status == 502
    assert await world.database.read(partial(webhooks_of, session_id=None)) == []
