import asyncio
import re

import pytest

from openwa_manager.api.sessions.responses import SessionOut
from openwa_manager.domain.session.session import ProcessState, SessionId, Usage
from tests.api.foundations import FILES
from tests.api.world import USER_AND_ID, Object, World
from tests.fakes.disk import DeadDisk

SESSION_FIELDS = {
    *("session_id", "user_id", "engine", "status", "reason", "desired", "pid", "port", "socket"),
    *("phone_number", "push_name", "qr", "restarts", "build", "usage", "labels", "created_at"),
    *("memory_limit_bytes", "proxy_url", "env_names"),
    *("started_at", "connected_at", "last_connected_at", "last_seen_at", "updated_at"),
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


async def connect(world: World, session_id: str) -> Object:
    """Create a session, scan its code, and return the answer to the wait for its connection."""
    async with asyncio.TaskGroup() as tasks:
        creation = tasks.create_task(world.create(session_id=session_id, wait_for="connected"))
        while not world.sessions.list_sessions():  # noqa: ASYNC110 (it appears within a few turns of the loop)
            await asyncio.sleep(0)
        await world.sessions.wait(session_id, lambda session: session.qr is not None, 20)
        await world.play(session_id, "scan")
    return creation.result()


async def test_a_new_session_answers_with_its_pid_once_launched(world: World) -> None:
    session = await world.create(session_id=USER_AND_ID, labels={"team": "a"})

    assert set(session) == SESSION_FIELDS | {"qr_base64"}
    assert session["user_id"] == "1"
    assert session["status"] == "creating"
    assert session["desired"] == "running"
    assert isinstance(session["pid"], int)
    assert session["qr_base64"] is None
    assert session["labels"] == {"team": "a"}
    assert TIME.fullmatch(str(session["created_at"]))


async def test_a_session_shows_exactly_the_fields_of_the_contract(world: World) -> None:
    world.used[SessionId("a")] = Usage(rss_bytes=1, cpu_percent=2.5, process_count=3)
    await world.create(session_id="a", wait_for="qr")

    reply = await world.call("GET", "/v1/sessions/a")

    assert reply.status == 200
    assert set(reply.json) == SESSION_FIELDS
    assert set(reply.json["qr"]) == {"seq", "attempt", "produced_at", "expires_at"}  # type: ignore[arg-type]
    assert reply.json["restarts"] == {"count": 0, "last_reason": None, "next_at": None}
    assert reply.json["usage"] == {"rss_bytes": 1, "cpu_percent": 2.5, "process_count": 3}
    SessionOut.model_validate_json(reply.raw)


async def test_a_session_without_an_engine_uses_nothing(world: World) -> None:
    world.used[SessionId("a")] = Usage(rss_bytes=1, cpu_percent=2.5, process_count=3)
    await world.create(session_id="a", desired="stopped")

    reply = await world.call("GET", "/v1/sessions/a")

    assert reply.json["usage"] is None


async def test_waiting_for_the_qr_brings_it_along(world: World) -> None:
    session = await world.create(wait_for="qr")

    assert session["status"] == "qr_ready"
    assert str(session["qr_base64"]).startswith("iVBORw0KGgo")


async def test_waiting_for_the_connection_ends_with_it(world: World) -> None:
    session = await connect(world, "a")

    assert (session["status"], session["qr_base64"]) == ("connected", None)
    assert session["phone_number"] is not None


async def test_a_wait_that_is_over_answers_with_what_there_is(world: World) -> None:
    session = await world.create(wait_for="connected", timeout_s=0)

    assert session["status"] in ("creating", "qr_ready")


async def test_an_absent_id_is_a_uuid_and_null_is_the_same_as_absent(world: World) -> None:
    session = await world.create(session_id=None, user_id=None, labels=None, env=None, wait_for=None, desired="stopped")

    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", str(session["session_id"]))
    assert (session["status"], session["user_id"]) == ("stopped", None)


async def test_a_body_is_not_even_needed(world: World) -> None:
    reply = await world.call("POST", "/v1/sessions")

    assert reply.status == 201


async def test_the_same_session_again_is_answered_and_nothing_restarts(world: World) -> None:
    first = await world.create(session_id="a", user_id="u", labels={"k": "v"}, wait_for="qr")

    again = await world.call("POST", "/v1/sessions", {"session_id": "a", "labels": {"k": "v"}, "desired": "stopped"})

    assert again.status == 200
    assert again.json["pid"] == first["pid"]
    assert again.json["qr_base64"] == first["qr_base64"]


async def test_a_stopped_session_asked_for_again_stays_stopped_and_keeps_nobody_waiting(world: World) -> None:
    await world.create(session_id="a", desired="stopped")

    reply = await world.call("POST", "/v1/sessions", {"session_id": "a", "wait_for": "qr", "timeout_s": 60})

    assert (reply.status, reply.json["status"], reply.json["qr_base64"]) == (200, "stopped", None)


async def test_a_session_that_differs_is_refused(world: World) -> None:
    await world.create(session_id="a", user_id="u", desired="stopped")

    reply = await world.call("POST", "/v1/sessions", {"session_id": "a", "user_id": "other"})

    assert (reply.status, reply.code) == (409, "session_exists")


async def test_a_change_touches_only_what_is_given(world: World) -> None:
    await world.create(session_id="a", labels={"k": "v"}, proxy_url="http://u:p@proxy:8080", desired="stopped")

    changed = await world.call("PATCH", "/v1/sessions/a", {"env": {"LOG_LEVEL": "debug"}, "memory_limit_bytes": 10**9})
    relabelled = await world.call("PATCH", "/v1/sessions/a", {"labels": {"k": "w"}, "proxy_url": None})

    assert (changed.status, changed.json["labels"]) == (200, {"k": "v"})
    assert relabelled.json["labels"] == {"k": "w"}
    spec = world.sessions.get("a").spec
    assert spec.env == {"LOG_LEVEL": "debug"}
    assert spec.memory_limit_bytes == 10**9
    assert spec.proxy_url is None


async def test_what_a_session_was_given_is_shown_without_what_lets_people_in(world: World) -> None:
    given = {"env": {"LOG_LEVEL": "debug", "TZ": "Asia/Hong_Kong"}, "memory_limit_bytes": 10**9}
    await world.create(session_id="a", proxy_url="http://me:pa#ss?w@proxy:8080", desired="stopped", **given)
    await world.create(session_id="b", desired="stopped")

    full = await world.call("GET", "/v1/sessions/a")
    plain = await world.call("GET", "/v1/sessions/b")

    assert [full.json[name] for name in ("memory_limit_bytes", "proxy_url", "env_names")] == [
        10**9,
        "http://me:***@proxy:8080",
        ["LOG_LEVEL", "TZ"],
    ]
    assert b"debug" not in full.raw
    assert [plain.json[name] for name in ("memory_limit_bytes", "proxy_url", "env_names")] == [None, None, []]


@pytest.mark.parametrize("body", [{"labels": None}, {"env": {"PATH": "x"}}, {"user_id": "u"}, {"engine": "command"}])
async def test_a_change_that_is_not_possible_is_refused(world: World, body: dict[str, object]) -> None:
    await world.create(session_id="a", desired="stopped")

    reply = await world.call("PATCH", "/v1/sessions/a", body)

    assert (reply.status, reply.code) == (422, "invalid")


async def test_start_and_stop_are_idempotent_and_wait_for_their_outcome(world: World) -> None:
    await world.create(session_id="a", desired="stopped")

    started = await world.call("POST", "/v1/sessions/a/start?wait=20")
    again = await world.call("POST", "/v1/sessions/a/start?wait=20")
    stopped = await world.call("POST", "/v1/sessions/a/stop?wait=20")
    still = await world.call("POST", "/v1/sessions/a/stop")

    assert [reply.status for reply in (started, again, stopped, still)] == [202] * 4
    assert (started.json["status"], again.json["pid"]) == ("qr_ready", started.json["pid"])
    assert (stopped.json["status"], stopped.json["pid"]) == ("stopped", None)
    assert still.json["status"] == "stopped"


async def test_a_restart_waited_for_brings_another_process(world: World) -> None:
    first = await world.create(session_id="a", wait_for="qr")

    reply = await world.call("POST", "/v1/sessions/a/restart?wait=20")

    assert (reply.status, reply.json["status"]) == (202, "qr_ready")
    assert reply.json["pid"] != first["pid"]


async def test_without_wait_the_answer_comes_at_once(world: World) -> None:
    await world.create(session_id="a", wait_for="qr")

    reply = await world.call("POST", "/v1/sessions/a/stop")

    assert (reply.status, reply.json["status"]) == (202, "stopping")


async def test_a_logout_unlinks_and_stays_down(world: World) -> None:
    await connect(world, "a")

    reply = await world.call("POST", "/v1/sessions/a/logout")
    refused = await world.call("POST", "/v1/sessions/a/logout")

    assert (reply.status, reply.json["desired"]) == (202, "stopped")
    assert (refused.status, refused.code) == (409, "illegal_transition")


async def test_all_sessions_stop_until_they_are_started(world: World) -> None:
    await world.create(session_id="a")
    await world.create(session_id="b", desired="stopped")

    reply = await world.call("POST", "/v1/sessions/stop", {"until_start": True})

    assert reply.status == 202
    sessions = reply.json["sessions"]
    assert isinstance(sessions, list)
    assert [(each["session_id"], each["desired"]) for each in sessions] == [("a", "running"), ("b", "stopped")]
    assert sessions[0]["status"] in ("stopping", "stopped")


async def test_a_deleted_session_is_gone_with_its_directory(world: World) -> None:
    await world.create(session_id="a", wait_for="qr")
    directory = world.home / "sessions" / "a"
    assert directory.exists()

    reply = await world.call("DELETE", "/v1/sessions/a?logout=true")

    assert (reply.status, reply.raw) == (204, b"")
    assert not directory.exists()
    assert (await world.call("GET", "/v1/sessions/a")).status == 404
    assert (await world.call("DELETE", "/v1/sessions/a")).status == 404


async def test_a_deleted_session_may_leave_its_data(world: World) -> None:
    await world.create(session_id="a", wait_for="qr")

    reply = await world.call("DELETE", "/v1/sessions/a?keep_data=true")

    assert reply.status == 204
    assert (world.home / "sessions" / "a").exists()


async def test_a_deletion_that_takes_too_long_says_why_and_goes_on(world: World) -> None:
    await world.create(session_id="a", desired="stopped")
    disk = DeadDisk()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(disk.hold_up(FILES, SessionId("a")))

        reply = await world.call("DELETE", "/v1/sessions/a")
        disk.revive()

    assert (reply.status, reply.json["status"]) == (202, "stopping")
    assert "do not answer" in str(reply.json["reason"])


async def test_a_mistyped_parameter_deletes_nothing(world: World) -> None:
    await world.create(session_id="a", desired="stopped")

    reply = await world.call("DELETE", "/v1/sessions/a?keepdata=true")

    assert (reply.status, reply.json["field"]) == (422, "keepdata")
    assert (await world.call("GET", "/v1/sessions/a")).status == 200


async def test_a_deletion_under_way_is_answered_when_the_daemon_ends(world: World) -> None:
    await world.create(session_id="a", env={"SIM_DEAF": "1"})
    await world.sessions.wait("a", lambda session: session.process is ProcessState.RUNNING, 20)

    async with asyncio.TaskGroup() as tasks:
        deleting = tasks.create_task(world.call("DELETE", "/v1/sessions/a"))
        await world.sessions.wait("a", lambda session: session.process is ProcessState.STOPPING, 20)
        world.runner.drain()

    reply = deleting.result()
    assert (reply.status, reply.code) == (503, "draining")


async def test_a_creation_is_answered_within_its_timeout_even_if_the_launch_takes_longer(world: World) -> None:
    reply = await world.call("POST", "/v1/sessions", {"session_id": "a", "timeout_s": 0})

    assert reply.status == 201
    assert reply.json["pid"] is None


async def test_a_drained_daemon_takes_no_new_session(world: World) -> None:
    world.runner.drain()

    reply = await world.call("POST", "/v1/sessions", {})

    assert (reply.status, reply.code) == (503, "draining")
    assert int(reply.headers["Retry-After"]) > 0


async def test_the_list_is_filtered_by_status_user_and_labels(world: World) -> None:
    await world.create(session_id="a", user_id="1", labels={"team": "x", "env": "prod"}, desired="stopped")
    await world.create(session_id="b", user_id="1", labels={"team": "x", "env": "a:b"}, desired="stopped")
    await world.create(session_id="c", user_id="2", labels={"team": "y"}, wait_for="qr")

    async def found(query: str) -> list[str]:
        sessions = (await world.call("GET", f"/v1/sessions?{query}")).json["sessions"]
        assert isinstance(sessions, list)
        return [each["session_id"] for each in sessions]

    assert await found("") == ["a", "b", "c"]
    assert await found("status=qr_ready") == ["c"]
    assert await found("status=qr_ready&status=stopped") == ["a", "b", "c"]
    assert await found("user_id=1") == ["a", "b"]
    assert await found("label=team:x") == ["a", "b"]
    assert await found("label=team:x&label=env:a:b") == ["b"]
    assert await found("label=team:z") == []
    assert await found("status=connected&user_id=1") == []
