import asyncio
import base64
import json
import os
import re
import signal

import pytest

from openwa_manager.domain.session.png import is_whole_png
from openwa_manager.domain.session.session import Session, SessionId, Status, Usage
from tests.api.foundations import GRACE_S
from tests.api.world import Object, Reply, World

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def error(reply: Reply) -> tuple[int, object]:
    """Return status and message of an error, which must have OpenWA's shape."""
    body = reply.json
    assert reply.headers["Content-Type"] == "application/json; charset=utf-8"
    assert body["statusCode"] == reply.status
    assert set(body) >= {"message", "statusCode"}
    return reply.status, body["message"]


async def started(world: World, name: str = "acme") -> None:
    assert (await world.call("POST", "/api/sessions", {"name": name})).status == 201
    assert (await world.call("POST", f"/api/sessions/{name}/start")).status == 200


async def linked(world: World, name: str = "acme") -> Session:
    await started(world, name)
    await reaches(world, Status.QR_READY, name)
    await world.play(name, "scan")
    return await reaches(world, Status.CONNECTED, name)


async def reaches(world: World, status: Status, name: str = "acme") -> Session:
    session = await world.sessions.wait(name, lambda each: each.status is status, 20)
    assert session.status is status
    return session


async def shown(world: World, name: str = "acme") -> Object:
    return (await world.call("GET", f"/api/sessions/{name}")).json


async def test_a_new_session_is_stopped_and_bears_our_id_twice(world: World) -> None:
    reply = await world.call("POST", "/api/sessions", {"name": "user_1_session_x"})

    record = reply.json
    assert reply.status == 201
    assert ISO.fullmatch(str(record.pop("createdAt")))
    assert ISO.fullmatch(str(record.pop("updatedAt")))
    assert record == {
        "id": "user_1_session_x",
        "name": "user_1_session_x",
        "status": "created",
        "phone": None,
        "pushName": None,
        "connectedAt": None,
        "lastActive": None,
        "lastError": None,
        "restriction": None,
        "engineLoaded": False,
    }
    assert world.sessions.live() == {}


async def test_a_proxy_is_kept_for_the_engine(world: World) -> None:
    proxy = {"proxyUrl": "socks5://10.0.0.1:1080", "proxyType": "socks5"}
    body = {"name": "acme", **proxy, "config": {"autoRejectCalls": True}}

    reply = await world.call("POST", "/api/sessions", body)

    assert reply.status == 201
    assert world.sessions.get("acme").spec.proxy_url == "socks5://10.0.0.1:1080"


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"name": "No Spaces"}, "name: "),
        ({"name": "../etc"}, "name: "),
        ({"name": 5}, "name: "),
        ({}, "name: "),
        ({"name": "acme", "foo": 1}, "property foo should not exist"),
        ({"name": "acme", "proxyUrl": "ftp://x"}, "proxyUrl: "),
        ({"name": "acme", "config": 3}, "config: "),
    ],
)
async def test_a_body_openwa_would_refuse_is_refused_and_makes_nothing(
    world: World, body: object, complaint: str
) -> None:
    status, message = error(await world.call("POST", "/api/sessions", body))

    assert status == 400
    assert isinstance(message, list)
    assert str(message[0]).startswith(complaint)
    assert world.sessions.list_sessions() == []


async def test_a_body_that_is_no_json_is_refused(world: World) -> None:
    head = f"POST /api/sessions HTTP/1.1\nHost: 127.0.0.1\nX-API-Key: {world.key}\nContent-Length: 5"

    status, _ = await world.raw(head, b"{bad ")

    assert status == 400


async def test_a_name_that_is_taken_is_a_conflict(world: World) -> None:
    await world.call("POST", "/api/sessions", {"name": "acme"})

    assert error(await world.call("POST", "/api/sessions", {"name": "acme"})) == (
        409,
        "Session with name 'acme' already exists",
    )


async def test_the_list_begins_with_the_newest_and_is_cut_as_asked(world: World) -> None:
    for name in ("one", "two", "three"):
        await world.call("POST", "/api/sessions", {"name": name})

    whole = await world.client.get("/api/sessions", headers={"X-API-Key": world.key})
    part = await world.client.get("/api/sessions?limit=1&offset=1", headers={"X-API-Key": world.key})

    assert [each["id"] for each in await whole.json()] == ["three", "two", "one"]
    assert [each["id"] for each in await part.json()] == ["two"]


async def test_a_session_lives_its_life_in_openwas_words(world: World) -> None:
    await world.call("POST", "/api/sessions", {"name": "acme"})
    before = error(await world.call("GET", "/api/sessions/acme/qr"))
    start = (await world.call("POST", "/api/sessions/acme/start")).json
    again = error(await world.call("POST", "/api/sessions/acme/start"))
    await reaches(world, Status.QR_READY)
    code = (await world.call("GET", "/api/sessions/acme/qr")).json
    await world.play("acme", "scan")
    await reaches(world, Status.CONNECTED)
    ready = await shown(world)
    late = error(await world.call("GET", "/api/sessions/acme/qr"))
    stopped = (await world.call("POST", "/api/sessions/acme/stop")).json
    stopped_again = await world.call("POST", "/api/sessions/acme/stop")

    assert before == (400, "Session is not started. Call POST /sessions/:sessionId/start first.")
    assert (start["status"], start["engineLoaded"]) == ("initializing", True)
    assert again == (400, "Session is already started")
    assert code["status"] == "qr_ready"
    assert is_whole_png(base64.b64decode(str(code["qrCode"]).removeprefix("data:image/png;base64,")))
    assert (ready["status"], ready["engineLoaded"], ready["lastError"]) == ("ready", True, None)
    assert ready["phone"]
    assert ready["pushName"]
    assert ISO.fullmatch(str(ready["connectedAt"]))
    assert ISO.fullmatch(str(ready["lastActive"]))
    assert late == (400, "Session is already authenticated, no QR code needed")
    assert (stopped["status"], stopped["engineLoaded"]) == ("disconnected", False)
    assert stopped["phone"] == ready["phone"]
    assert stopped_again.status == 200
    assert world.sessions.live() == {}


async def test_of_three_starts_at_once_one_wins(world: World) -> None:
    await world.call("POST", "/api/sessions", {"name": "acme"})

    async with asyncio.TaskGroup() as group:
        starts = [group.create_task(world.call("POST", "/api/sessions/acme/start")) for _ in range(3)]

    statuses = sorted(start.result().status for start in starts)
    assert statuses == [200, 400, 400]


async def test_right_after_the_start_the_code_is_not_ready_yet(world: World) -> None:
    await world.call("POST", "/api/sessions", {"name": "acme"})
    await world.call("PATCH", "/v1/sessions/acme", {"env": {"SIM_QR_DELAY_S": "60"}})

    start = await world.call("POST", "/api/sessions/acme/start")
    qr = error(await world.call("GET", "/api/sessions/acme/qr"))
    send = error(await world.call("POST", "/api/sessions/acme/messages/send-text", {"chatId": "6@c.us", "text": "x"}))

    assert start.status == 200
    assert qr == (400, "QR code is not ready yet. Please wait...")
    assert send == (409, "Session is not connected. The WhatsApp client is not ready.")


async def test_the_engines_own_name_for_a_session_works_everywhere(world: World) -> None:
    session = await linked(world)
    inner = session.inner_id

    record = (await world.call("GET", f"/api/sessions/{inner}")).json
    sent = await world.call(
        "POST", f"/api/sessions/{inner}/messages/send-text", {"chatId": "628123456789@c.us", "text": "hi"}
    )
    once_more = await world.call("GET", f"/api/sessions/{inner}")

    assert record["id"] == "acme"
    assert sent.status == 201
    assert once_more.status == 200


async def test_an_inner_name_is_forgotten_with_its_session(world: World) -> None:
    inner = (await linked(world)).inner_id
    await world.call("GET", f"/api/sessions/{inner}")
    await world.call("DELETE", "/api/sessions/acme")

    reply = await world.call("GET", f"/api/sessions/{inner}")

    assert error(reply) == (404, f"Session with id '{inner}' not found")


async def test_logging_out_unlinks_and_stops(world: World) -> None:
    await linked(world)

    record = (await world.call("POST", "/api/sessions/acme/logout")).json
    again = error(await world.call("POST", "/api/sessions/acme/logout"))

    assert (record["status"], record["phone"], record["engineLoaded"]) == ("disconnected", None, False)
    assert again == (400, "Session is not started. Call POST /sessions/:sessionId/start first.")
    assert not list(world.home.glob("sessions/acme/data/baileys/*/creds.json"))


async def test_a_logout_the_engine_fails_is_incomplete(peers: World) -> None:
    reply = await peers.call("POST", "/api/sessions/acme/logout")

    status, message = error(reply)
    assert status == 502
    assert "may still be linked" in str(message)
    assert reply.json["code"] == "SESSION_LOGOUT_INCOMPLETE"


async def test_force_kill_ends_a_frozen_engine_at_once_and_keeps_its_credentials(world: World) -> None:
    session = await linked(world)
    assert session.pid is not None
    os.kill(session.pid, signal.SIGSTOP)

    record = (await world.call("POST", "/api/sessions/acme/force-kill")).json
    again = error(await world.call("POST", "/api/sessions/acme/force-kill"))
    *_, stopping, stopped = [each async for each in world.sessions.timeline(SessionId("acme"), 50, 1 << 20)]

    assert (record["status"], record["engineLoaded"]) == ("disconnected", False)
    assert (stopped.decision, stopped.evidence["signal"]) == ("stopped", signal.SIGKILL)
    assert stopped.at - stopping.at < GRACE_S  # which a soft end would have waited out
    assert list(world.home.glob("sessions/acme/data/baileys/*/creds.json"))
    assert again == (400, "Session is not started. Call POST /sessions/:sessionId/start first.")


async def test_a_deleted_session_is_gone(world: World) -> None:
    await linked(world)

    deleted = await world.call("DELETE", "/api/sessions/acme")

    assert (deleted.status, deleted.raw) == (204, b"")
    assert error(await world.call("GET", "/api/sessions/acme")) == (404, "Session with id 'acme' not found")
    assert error(await world.call("DELETE", "/api/sessions/acme")) == (404, "Session with id 'acme' not found")
    assert not (world.home / "sessions" / "acme").exists()


async def test_a_ban_is_a_failure_with_its_reason(world: World) -> None:
    await linked(world)
    await world.play("acme", "close?code=403")
    await world.sessions.wait("acme", lambda session: session.status is Status.BANNED, 20)

    record = await shown(world)

    assert (record["status"], record["engineLoaded"]) == ("failed", False)
    assert "(403)" in str(record["lastError"])


async def test_a_replaced_link_is_a_failure_with_its_reason(world: World) -> None:
    await linked(world)
    await world.play("acme", "close?code=440")
    await reaches(world, Status.DISCONNECTED)

    record = await shown(world)

    assert (record["status"], record["engineLoaded"]) == ("failed", True)
    assert "(440)" in str(record["lastError"])


async def test_the_overview_counts_by_status(world: World) -> None:
    session = await linked(world)
    await world.call("POST", "/api/sessions", {"name": "other"})
    world.used[session.session_id] = Usage(rss_bytes=250 * 1024 * 1024, cpu_percent=1.0, process_count=1)

    overview = (await world.call("GET", "/api/sessions/stats/overview")).json

    assert overview == {
        "total": 2,
        "active": 1,
        "ready": 1,
        "disconnected": 0,
        "byStatus": {"created": 1, "ready": 1},
        "memoryUsage": {"heapUsed": 250, "heapTotal": 250, "rss": 250},
    }


async def test_a_pairing_code_comes_from_the_engine(world: World) -> None:
    await world.call("POST", "/api/sessions", {"name": "acme"})
    path = "/api/sessions/acme/pairing-code"
    before = error(await world.call("POST", path, {"phoneNumber": "628123456789"}))
    await world.call("POST", "/api/sessions/acme/start")
    await reaches(world, Status.QR_READY)

    code = await world.call("POST", path, {"phoneNumber": "628123456789"})
    bad = error(await world.call("POST", path, {"phoneNumber": "+62 8123"}))
    await world.play("acme", "scan")
    await reaches(world, Status.CONNECTED)
    late = error(await world.call("POST", path, {"phoneNumber": "628123456789"}))

    assert before == (400, "Session is not started. Call POST /sessions/:sessionId/start first.")
    assert (code.status, code.json) == (201, {"pairingCode": "MOCK1234", "status": "qr_ready"})
    assert bad[0] == 400
    assert late == (400, "Session is already authenticated, no pairing needed")


async def test_an_engine_that_cannot_start_is_an_error_that_says_why(world: World) -> None:
    await world.call("POST", "/api/sessions", {"name": "acme"})
    session = world.sessions.get("acme")
    (world.home / "sessions").mkdir(exist_ok=True)
    (world.home / "sessions" / "acme").write_text("in the way")

    status, message = error(await world.call("POST", "/api/sessions/acme/start"))

    assert session.launch is None
    assert status == 500
    assert message
    assert (await shown(world))["status"] == "failed"


async def test_a_session_that_waits_for_its_engine_cannot_pair_or_log_out_yet(world: World) -> None:
    await linked(world)
    await world.requests.restart("acme")

    logout = error(await world.call("POST", "/api/sessions/acme/logout"))
    pair = error(await world.call("POST", "/api/sessions/acme/pairing-code", {"phoneNumber": "628123456789"}))

    assert logout == (409, "Session is not connected. The WhatsApp client is not ready.")
    assert pair == (409, "Cannot request a pairing code before the engine is initialized.")


async def test_no_key_and_a_wrong_key_are_told_apart_as_openwa_does(world: World) -> None:
    url = "/api/sessions"
    async with world.client.get(url) as none, world.client.get(url, headers={"X-API-Key": "owm_x"}) as wrong:
        assert (none.status, await none.json()) == (
            401,
            {"message": "API key is required", "error": "Unauthorized", "statusCode": 401},
        )
        assert (wrong.status, (await wrong.json())["message"]) == (401, "Invalid API key")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'\xef\xbb\xbf{"name": "acme"}', "application/json"),
        (b"name=acme", "application/x-www-form-urlencoded"),
        (b'{"name": "acme", "config": []}', "application/json"),
    ],
    ids=["byte order mark", "form", "empty table of PHP"],
)
async def test_how_a_new_session_is_written_does_not_matter(world: World, body: bytes, content_type: str) -> None:
    headers = {"X-API-Key": world.key, "Content-Type": content_type}
    async with world.client.post("/api/sessions/", data=body, headers=headers) as answer:
        assert answer.status == 201


@pytest.mark.parametrize("path", ["", "/acme", "/acme/qr", "/stats/overview", "/acme/webhooks", "/nobody"])
async def test_a_slash_at_the_end_makes_no_other_path(world: World, path: str) -> None:
    await world.create(session_id="acme", desired="stopped")

    without, with_slash = [await world.call("GET", f"/api/sessions{path}{end}") for end in ("", "/")]

    assert (without.status, without.raw.replace(b"/", b"")) == (with_slash.status, with_slash.raw.replace(b"/", b""))


async def test_a_session_can_be_asked_for_by_its_name(world: World) -> None:
    for name in ("acme", "acme-2"):
        await world.call("POST", "/api/sessions", {"name": name})

    found = [json.loads((await world.call("GET", f"/api/sessions?name={name}")).raw) for name in ("acme", "acm", "")]

    assert [[each["id"] for each in listed] for listed in found] == [["acme"], [], []]
