import hashlib
import hmac
from collections.abc import AsyncIterator
from functools import partial

import pytest
from standardwebhooks import Webhook

from openwa_manager.api.delivery.responses import EndpointOut, NewEndpointOut, TrialOut
from openwa_manager.services.delivery.endpoints import ENDPOINTS_MAX
from openwa_manager.store.delivery.endpoints import DefaultEndpoint, configure_default, load_endpoints
from tests.api.world import Object, World
from tests.fakes.receiver import Received, Receiver, ask_to_wait, hang_up, receiving, talk_no_http

PATH = "/v1/endpoints"
HEALTH = ("last_status", "last_error", "down_since", "next_probe_at")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


async def add(world: World, url: str, **fields: object) -> Object:
    reply = await world.call("POST", PATH, {"url": url, **fields})
    assert reply.status == 201, reply.raw
    NewEndpointOut.model_validate_json(reply.raw)
    return reply.json


async def name_default(world: World, url: str) -> None:
    """Do what the daemon does with the endpoint of its settings."""
    settings = DefaultEndpoint(url=url, secret="from the settings")
    await world.database.write(partial(configure_default, settings=settings, fallback_secret="", at=1.0))
    world.channels.dispatcher.reread()


def is_signed(post: Received, secret: str) -> bool:
    """Tell whether a post verifies as Standard Webhooks says, and as a plain handler does."""
    Webhook(secret).verify(post.body, {name.lower(): value for name, value in post.headers.items()})
    plain = "sha256=" + hmac.new(secret.encode(), post.body, hashlib.sha256).hexdigest()
    return plain in (post.headers["X-OpenWA-Signature"], post.headers.get("X-OpenWA-Signature-Previous"))


async def test_an_endpoint_is_told_what_it_asked_for_from_its_creation_on(world: World, receiver: Receiver) -> None:
    await world.create(session_id="before", desired="stopped")

    made = await add(world, receiver.url, events=["session.*"], sessions=["shop_*"], secret=SECRET)
    await world.create(session_id="other", desired="stopped")
    await world.create(session_id="shop_1", desired="stopped")

    (post,) = await receiver.until(1)
    assert post.json["session_id"] == "shop_1"
    assert is_signed(post, SECRET)
    assert (made["events"], made["sessions"], made["active"], made["status"]) == (["session.*"], ["shop_*"], True, "ok")


async def test_a_secret_is_made_up_and_shown_once(world: World, receiver: Receiver) -> None:
    made = await add(world, receiver.url)

    shown = await world.call("GET", f"{PATH}/{made['endpoint_id']}")
    listed = await world.call("GET", PATH)

    assert str(made["secret"]).startswith("whsec_")
    EndpointOut.model_validate_json(shown.raw)
    assert listed.json["endpoints"] == [shown.json]
    assert str(made["secret"]) not in str(listed.raw)


async def test_for_a_day_after_a_rotation_both_secrets_sign(world: World, receiver: Receiver) -> None:
    made = await add(world, receiver.url)

    reply = await world.call("POST", f"{PATH}/{made['endpoint_id']}/rotate-secret")
    await world.create(session_id="a", desired="stopped")

    (post,) = await receiver.until(1)
    assert reply.status == 200
    assert reply.json["rotated_at"] is not None
    assert reply.json["secret"] != made["secret"]
    assert is_signed(post, str(reply.json["secret"]))
    assert is_signed(post, str(made["secret"]))


async def test_a_secret_that_is_changed_signs_alone(world: World, receiver: Receiver) -> None:
    made = await add(world, receiver.url)
    path = f"{PATH}/{made['endpoint_id']}"
    await world.call("POST", f"{path}/rotate-secret", {"secret": "the second"})

    reply = await world.call("PATCH", path, {"secret": SECRET})
    await world.create(session_id="a", desired="stopped")

    (post,) = await receiver.until(1)
    assert (reply.status, reply.json["rotated_at"]) == (200, None)
    assert is_signed(post, SECRET)
    assert "X-OpenWA-Signature-Previous" not in post.headers


async def test_a_paused_endpoint_is_told_later_what_waited_and_not_what_happened_meanwhile(
    world: World, receiver: Receiver
) -> None:
    receiver.answers = [503] * 3
    path = f"{PATH}/{(await add(world, receiver.url))['endpoint_id']}"
    await world.create(session_id="waits", desired="stopped")
    await receiver.until(1)

    paused = await world.call("PATCH", path, {"active": False})
    await world.create(session_id="unheard", desired="stopped")
    receiver.answers = []
    resumed = await world.call("POST", f"{path}/resume")
    await world.create(session_id="heard", desired="stopped")

    assert (paused.json["status"], paused.json["pending_count"]) == ("paused", 1)
    assert (resumed.status, resumed.json["status"], resumed.json["active"]) == (200, "ok", True)
    while {post.json["session_id"] for post in receiver.received} != {"waits", "heard"}:
        await receiver.until(len(receiver.received) + 1)


async def test_an_endpoint_that_says_gone_is_disabled_until_it_is_resumed(world: World, receiver: Receiver) -> None:
    receiver.answers = [410]
    path = f"{PATH}/{(await add(world, receiver.url))['endpoint_id']}"
    await world.create(session_id="a", desired="stopped")
    while (shown := (await world.call("GET", path)).json)["active"]:
        pass

    await world.call("POST", f"{path}/resume")
    posts = await receiver.until(2)

    assert (shown["status"], shown["disabled_reason"]) == ("disabled", "gone")
    assert posts[0].body == posts[1].body


async def test_an_endpoint_that_keeps_failing_is_shown_as_down_with_all_that_is_known(
    world: World, receiver: Receiver
) -> None:
    receiver.answers = [503] * 20
    path = f"{PATH}/{(await add(world, receiver.url))['endpoint_id']}"
    fresh = (await world.call("GET", path)).json
    for number in range(5):
        await world.create(session_id=f"s{number}", desired="stopped")
    await receiver.until(5)

    while (shown := (await world.call("GET", path)).json)["status"] != "down":
        pass

    assert [fresh[name] for name in HEALTH] == [None] * 4
    assert (shown["last_status"], shown["last_error"]) == (503, "it answered 503 Service Unavailable")
    assert str(shown["created_at"]) < str(shown["down_since"]) < str(shown["next_probe_at"])
    assert (await world.call("GET", PATH)).json["endpoints"] == [shown]


async def test_an_endpoint_that_asks_us_to_wait_is_throttled_and_not_down(world: World, receiver: Receiver) -> None:
    receiver.answers = [ask_to_wait(429, "600")]
    path = f"{PATH}/{(await add(world, receiver.url))['endpoint_id']}"
    await world.create(session_id="a", desired="stopped")
    while (shown := (await world.call("GET", path)).json)["status"] != "throttled":
        pass
    await world.create(session_id="b", desired="stopped")

    assert (shown["last_status"], shown["last_error"]) == (429, "it answered 429 Too Many Requests")
    assert shown["down_since"] is None
    assert shown["next_probe_at"] is not None
    assert (await world.call("GET", path)).json["pending_count"] == 2
    assert len(receiver.received) == 1
    up = f'openwa_manager_endpoint_up{{endpoint_id="{shown["endpoint_id"]}"}} 1.0'
    assert up.encode() in (await world.call("GET", "/metrics")).raw
    assert b'"webhook_throttled"' in (await world.call("GET", "/v1/doctor")).raw

    await world.call("PATCH", path, {"sessions": ["*"]})
    while (again := (await world.call("GET", path)).json)["last_status"] != 200:
        pass
    assert [again[name] for name in ("status", "last_error", "next_probe_at")] == ["ok", None, None]


async def test_neither_error_nor_log_names_an_endpoint_s_url(
    world: World, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver.answers = [talk_no_http] * 100
    path = f"{PATH}/{(await add(world, receiver.url + '?token=confidential'))['endpoint_id']}"
    await world.create(session_id="a", desired="stopped")

    while (shown := (await world.call("GET", path)).json)["last_error"] is None:
        pass
    tested = (await world.call("POST", f"{path}/test")).json
    read = "SELECT last_error FROM delivery"
    while None in (deliveries := await world.database.read(lambda connection: connection.execute(read).fetchone())):
        pass

    said = "its answer is not HTTP"
    assert (shown["last_error"], tested["error"], deliveries) == (said, said, (said,))
    logged = capsys.readouterr().out
    assert said in logged
    assert "confidential" not in logged


async def test_a_test_is_signed_and_tells_what_came_back(world: World, receiver: Receiver) -> None:
    receiver.answers = [200, 422, 503, 410, hang_up, hang_up]
    path = f"{PATH}/{(await add(world, receiver.url, events=['call.*'], secret=SECRET))['endpoint_id']}"

    trials = [(await world.call("POST", f"{path}/test")).json for _ in range(5)]

    told = [(trial["delivered"], trial["status"], trial["error"]) for trial in trials]
    assert told[:4] == [(True, 200, None), (False, 422, "HTTP 422"), (False, 503, "HTTP 503"), (False, 410, "HTTP 410")]
    assert told[4][:2] == (False, None)
    assert told[4][2]
    post = receiver.received[0]
    assert is_signed(post, SECRET)
    assert (post.json["type"], post.json["id"]) == ("endpoint.test", trials[0]["event_id"])
    TrialOut.model_validate(trials[0])
    assert (await world.call("GET", path)).json["active"] is True


async def test_a_removed_endpoint_is_told_nothing_more(world: World, receiver: Receiver) -> None:
    path = f"{PATH}/{(await add(world, receiver.url))['endpoint_id']}"

    removed = await world.call("DELETE", path)
    again = await world.call("DELETE", path)

    assert (removed.status, again.status, again.code) == (204, 404, "not_found")
    assert (await world.call("GET", PATH)).json == {"endpoints": []}


@pytest.mark.parametrize(
    ("method", "verb"),
    [("GET", ""), ("PATCH", ""), ("DELETE", ""), *(("POST", verb) for verb in ("/rotate-secret", "/test", "/resume"))],
)
async def test_an_unknown_endpoint_is_not_found(world: World, method: str, verb: str) -> None:
    reply = await world.call(method, f"{PATH}/ep_0{verb}", {} if method != "GET" else None)

    assert (reply.status, reply.code) == (404, "not_found")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "url"),
        ({"url": "ftp://example.com"}, "url"),
        ({"url": "https://user:pw@example.com/"}, "url"),
        ({"url": "https://example.com", "events": []}, "events"),
        ({"url": "https://example.com", "events": ["*.connected"]}, "events.0"),
        ({"url": "https://example.com", "sessions": ["A"]}, "sessions.0"),
        ({"url": "https://example.com", "secret": ""}, "secret"),
        ({"url": "https://example.com", "secret": "whsec_!"}, "secret"),
        ({"url": "https://example.com", "colour": "red"}, "colour"),
    ],
)
async def test_what_cannot_be_an_endpoint_is_refused_by_field(world: World, fields: Object, field: str) -> None:
    reply = await world.call("POST", PATH, fields)

    assert (reply.status, reply.json["field"]) == (422, field)


async def test_the_endpoint_of_the_settings_can_be_paused_and_filtered_but_not_moved(
    world: World, receiver: Receiver
) -> None:
    await name_default(world, receiver.url)
    path = f"{PATH}/default"

    refused = [
        await world.call("PATCH", path, {"url": "https://example.com"}),
        await world.call("PATCH", path, {"secret": "mine"}),
        await world.call("POST", f"{path}/rotate-secret"),
        await world.call("DELETE", path),
    ]
    paused = await world.call("PATCH", path, {"active": False, "events": ["session.*"]})
    resumed = await world.call("POST", f"{path}/resume")

    assert [(reply.status, reply.code) for reply in refused] == [(409, "conflict")] * 4
    assert (paused.json["status"], paused.json["events"]) == ("paused", ["session.*"])
    assert resumed.json["status"] == "ok"


async def test_there_can_only_be_so_many(world: World) -> None:
    for _ in range(ENDPOINTS_MAX):
        await add(world, "https://example.com/hook")

    reply = await world.call("POST", PATH, {"url": "https://example.com/hook"})

    assert (reply.status, reply.code) == (409, "conflict")
    assert len(await world.database.read(load_endpoints)) == ENDPOINTS_MAX
