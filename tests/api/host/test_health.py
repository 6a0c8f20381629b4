from dataclasses import replace
from pathlib import Path

import pytest
from pytest_aiohttp import AiohttpClient

from openwa_manager.api.host.health import health_of
from openwa_manager.domain.messaging.messages import Hold, HoldCode, MessageStatus
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import (
    Launch,
    LaunchId,
    LinkState,
    ProcessState,
    Session,
    SessionId,
    Spec,
)
from openwa_manager.services.messaging.control.views import QueueBrief
from openwa_manager.services.monitoring.health import HealthFacts
from tests.api.world import World, world_in

SESSION = Session(
    session_id=SessionId("a"), spec=Spec(engine="simulator"), engine_key="k", created_at=0.0, updated_at=0.0
)
LAUNCH = Launch(launch_id=LaunchId("l"), number=1, port=1, secret="s", cause=ReasonCode.REQUESTED, launched_at=0.0)
SOON = "2026-11-22T00:00:00.000Z"
SOON_AT = 1_795_305_600.0


async def test_the_daemon_is_ready_only_once_all_sessions_are_taken_up(
    tmp_path: Path, aiohttp_client: AiohttpClient
) -> None:
    async with world_in(tmp_path, aiohttp_client, takes_up=False) as world:
        live = await world.call("GET", "/livez")
        ready = await world.call("GET", "/readyz")

    assert live.status == 200
    assert (ready.status, ready.code) == (503, "not_ready")
    assert int(ready.headers["Retry-After"]) > 0


async def test_a_connected_session_is_healthy(world: World) -> None:
    await world.create(session_id="a", wait_for="qr")
    unpaired = await world.call("GET", "/v1/sessions/a/health")
    await world.play("a", "scan")
    await world.sessions.wait("a", lambda session: session.link is LinkState.CONNECTED, 20)

    connected = await world.call("GET", "/v1/sessions/a/health")
    await world.call("POST", "/v1/sessions/a/stop?wait=20")
    stopped = await world.call("GET", "/v1/sessions/a/health")

    assert (connected.status, connected.json["healthy"], connected.json["engine"]) == (200, True, "answering")
    assert (unpaired.status, unpaired.json["link"]) == (503, "qr_ready")
    assert (stopped.status, stopped.json["process"], stopped.json["engine"]) == (503, "stopped", "down")
    assert set(stopped.json) == {"healthy", "process", "engine", "link", "last_seen_at", "checks"}


def test_a_booting_engine_is_not_down() -> None:
    health = health_of(HealthFacts(session=replace(SESSION, process=ProcessState.STARTING)))

    assert (health.engine, health.healthy) == ("booting", False)
    assert [check.name for check in health.checks if not check.is_ok] == ["process", "engine", "link"]


async def test_why_tells_the_steps_in_order_with_their_evidence(world: World) -> None:
    await world.create(session_id="a", wait_for="qr")

    reply = await world.call("GET", "/v1/sessions/a/why")
    newest = await world.call("GET", "/v1/sessions/a/why?limit=1")

    steps = reply.json["steps"]
    assert isinstance(steps, list)
    assert [step["stimulus"] for step in steps][:3] == ["created", "start asked for", "turn to start"]
    assert all(set(step) == {"at", "stimulus", "decision", "evidence"} for step in steps)
    assert newest.json["steps"] == steps[-1:]
    coming = reply.json["coming"]
    assert isinstance(coming, list)
    assert [each["decision"] for each in coming] == [
        "the code expires; the engine makes the next one",
        "end the engine, unless a code is scanned by then",
    ]
    assert None not in [each["at"] for each in coming]
    assert reply.json["next_step"] == coming[0]


async def test_the_registry_maps_live_sessions_to_pids(world: World) -> None:
    running = await world.create(session_id="a")
    await world.create(session_id="b", desired="stopped")

    reply = await world.call("GET", "/v1/registry")

    assert reply.json == {"a": running["pid"]}


async def test_the_system_tells_host_versions_and_counts(world: World) -> None:
    await world.create(session_id="a", desired="stopped")

    reply = await world.call("GET", "/v1/system")

    assert (reply.json["host"], reply.json["version"]) == ("mac-mini-1", "0.1.0")
    assert reply.json["engine"] == "simulator"
    assert reply.json["url"] == "http://[::1]:2790"
    assert reply.json["sessions"] == {"total": 1, "by_status": {"stopped": 1}}


LINKED = HealthFacts(session=replace(SESSION, process=ProcessState.RUNNING, link=LinkState.CONNECTED))
NOTHING_WAITS = QueueBrief(waiting_count=0, hold=None, overdue_count=0, last_hour={})


@pytest.mark.parametrize(
    ("brief", "is_ok"),
    [
        (None, True),
        (NOTHING_WAITS, True),
        (replace(NOTHING_WAITS, waiting_count=3), True),
        (replace(NOTHING_WAITS, hold=Hold(code=HoldCode.AWAITING_ACKS, detail="5 in a row")), False),
        (replace(NOTHING_WAITS, hold=Hold(code=HoldCode.RESTRICTED, until=SOON_AT)), False),
        (replace(NOTHING_WAITS, hold=Hold(code=HoldCode.QUEUE_PAUSED)), True),
        (replace(NOTHING_WAITS, hold=Hold(code=HoldCode.NOT_CONNECTED)), True),
        (replace(NOTHING_WAITS, last_hour={MessageStatus.FAILED: 6, MessageStatus.SENT: 5}), False),
        (replace(NOTHING_WAITS, last_hour={MessageStatus.FAILED: 5, MessageStatus.READ: 60}), True),
        (replace(NOTHING_WAITS, last_hour={MessageStatus.FAILED: 4}), True),
        (replace(NOTHING_WAITS, last_hour={MessageStatus.BOUNCED: 40}), True),
    ],
)
def test_a_queue_that_has_stopped_or_sends_that_fail_show(brief: QueueBrief | None, *, is_ok: bool) -> None:
    health = health_of(replace(LINKED, messages=brief))

    (check,) = [each for each in health.checks if each.name == "messages"]
    assert check.is_ok is is_ok


async def test_why_says_what_holds_the_messages(world: World) -> None:
    await world.create(session_id="a", desired="stopped")
    await world.call("POST", "/v1/sessions/a/messages", {"to": "+85212345678", "text": "hello"})

    waiting = await world.call("GET", "/v1/sessions/a/why")
    await world.create(session_id="b", desired="stopped")
    empty = await world.call("GET", "/v1/sessions/b/why")

    assert waiting.json["messages"] == {
        "waiting": 1,
        "hold": "not_connected",
        "detail": "the session is stopped; start it",
        "until": None,
    }
    assert empty.json["messages"] == {"waiting": 0, "hold": None, "detail": None, "until": None}
