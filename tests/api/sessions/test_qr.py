import asyncio
import base64
from dataclasses import replace

import pytest

from openwa_manager.api.sessions.qr import may_show_code
from openwa_manager.api.sessions.responses import QrOut
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import After, Ending, LinkState, ProcessState, Session, SessionId, Spec
from tests.api.world import World

PNG = b"\x89PNG\r\n\x1a\n"


async def test_the_code_comes_as_json(world: World) -> None:
    await world.create(session_id="a", wait_for="qr")

    reply = await world.call("GET", "/v1/sessions/a/qr")

    assert reply.status == 200
    assert reply.headers["Cache-Control"] == "no-store"
    code = QrOut.model_validate_json(reply.raw)
    assert base64.b64decode(code.qr_base64).startswith(PNG)
    assert (code.seq, code.attempt, code.mimetype) == (1, 1, "image/png")


@pytest.mark.parametrize(
    ("query", "accept", "is_png"),
    [
        ("?format=png", "*/*", True),
        ("?format=png", "application/json", True),
        ("?format=json", "image/png", False),
        ("", "image/png", True),
        ("", "image/avif,image/webp,image/*,*/*;q=0.8", True),
        ("", "application/json, image/png;q=0.5", False),
        ("", "*/*", False),
    ],
)
async def test_format_or_else_accept_decides_what_comes(world: World, query: str, accept: str, *, is_png: bool) -> None:
    await world.create(session_id="a", wait_for="qr")

    reply = await world.call("GET", f"/v1/sessions/a/qr{query}", headers={"Accept": accept})

    assert reply.headers["Content-Type"] == ("image/png" if is_png else "application/json")
    assert reply.raw.startswith(PNG) == is_png


async def test_a_caller_who_waits_gets_the_code_when_it_comes(world: World) -> None:
    await world.create(session_id="a")

    reply = await world.call("GET", "/v1/sessions/a/qr?wait=20")

    assert reply.status == 200


async def test_no_code_yet_is_no_error(world: World) -> None:
    await world.create(session_id="a", env={"SIM_BOOT_S": "30"})

    for query in ("", "?wait=0.01"):
        reply = await world.call("GET", f"/v1/sessions/a/qr{query}")

        assert (reply.status, reply.raw) == (204, b"")
        assert reply.headers["Cache-Control"] == "no-store"


async def test_a_session_that_can_show_no_code_refuses_at_once(world: World) -> None:
    await world.create(session_id="a", desired="stopped")

    reply = await world.call("GET", "/v1/sessions/a/qr?wait=60")

    assert (reply.status, reply.code) == (409, "illegal_transition")
    assert reply.headers["Cache-Control"] == "no-store"


async def test_a_connection_ends_the_wait_for_a_code(world: World) -> None:
    await world.create(session_id="a", wait_for="qr")
    await world.play("a", "scan")
    await world.sessions.wait("a", lambda session: session.link is LinkState.CONNECTED, 20)

    reply = await world.call("GET", "/v1/sessions/a/qr?wait=60")

    assert (reply.status, reply.code) == (409, "illegal_transition")


async def test_deleting_the_session_ends_the_wait_for_a_code(world: World) -> None:
    await world.create(session_id="a", env={"SIM_BOOT_S": "30"})

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(world.call("GET", "/v1/sessions/a/qr?wait=60"))
        await world.call("DELETE", "/v1/sessions/a")

    assert waiting.result().status in (404, 409)


@pytest.mark.parametrize("query", ["wait=61", "wait=-1", "wait=x", "wait=nan", "format=gif"])
async def test_a_parameter_out_of_range_is_refused(world: World, query: str) -> None:
    await world.create(session_id="a", desired="stopped")

    reply = await world.call("GET", f"/v1/sessions/a/qr?{query}")

    assert (reply.status, reply.json["field"]) == (422, query.partition("=")[0])


async def test_a_pairing_code_comes_instead_of_a_scan(world: World) -> None:
    await world.create(session_id="a", wait_for="qr")

    reply = await world.call("POST", "/v1/sessions/a/pairing-code", {"phone_number": "+852 1234-5678"})

    assert reply.status == 201
    assert set(reply.json) == {"pairing_code", "expires_at"}
    assert reply.json["pairing_code"]
    assert str(reply.json["expires_at"]).endswith("Z")


async def test_a_pairing_code_needs_a_running_engine_and_a_number(world: World) -> None:
    await world.create(session_id="a", desired="stopped")

    stopped = await world.call("POST", "/v1/sessions/a/pairing-code", {"phone_number": "85212345678"})
    numberless = await world.call("POST", "/v1/sessions/a/pairing-code", {"phone_number": "call me"})

    assert (stopped.status, stopped.code) == (409, "illegal_transition")
    assert (numberless.status, numberless.json["field"]) == (422, "phone_number")


async def test_a_session_that_is_connected_needs_no_pairing_code(world: World) -> None:
    await world.create(session_id="a", wait_for="qr")
    await world.play("a", "scan")
    await world.sessions.wait("a", lambda session: session.link is LinkState.CONNECTED, 20)

    reply = await world.call("POST", "/v1/sessions/a/pairing-code", {"phone_number": "85212345678"})

    assert (reply.status, reply.code) == (409, "illegal_transition")


@pytest.mark.parametrize(
    ("after", "may"),
    [(After.START_AGAIN, True), (After.BACK_OFF, True), (After.STAY_STOPPED, False), (After.DELETE, False)],
)
def test_an_ending_engine_shows_a_code_only_if_another_follows(after: After, *, may: bool) -> None:
    session = Session(
        session_id=SessionId("a"), spec=Spec(engine="simulator"), engine_key="k", created_at=0.0, updated_at=0.0
    )

    ending = Ending(after=after, cause=ReasonCode.REQUESTED)

    assert may_show_code(replace(session, process=ProcessState.STOPPING, ending=ending)) == may
