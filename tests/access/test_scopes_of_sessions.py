"""What a key that is limited to sessions makes, lists and stops, and what it may say of a session."""

import re

import pytest

from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.session.session import SessionId, Status, Usage
from tests.access.tenants import OWN_SESSIONS, Tenants
from tests.api.world import Object, World


async def test_lists_and_counts_are_those_of_the_own_sessions(tenants: Tenants) -> None:
    key, own = await tenants.key(Role.VIEWER), tenants.own["session_id"]

    listed = await tenants.ask(key, "GET", "/v1/sessions")
    system = await tenants.ask(key, "GET", "/v1/system")
    ready = await tenants.ask(key, "GET", "/readyz?verbose")
    registry = await tenants.ask(key, "GET", "/v1/registry")

    assert [each["session_id"] for each in listed.json["sessions"]] == [own]  # type: ignore[index,union-attr,call-overload]
    assert system.json["sessions"] == {"total": 1, "by_status": {"stopped": 1}}
    assert ready.json["sessions"] == {"total": 1, "adopted": 0, "queued": 0, "booting": 0, "running": 0}
    assert registry.json == {}


async def test_pages_of_sessions_stay_full_between_those_of_others(world: World) -> None:
    for number in range(3):
        for word in ("other", "own"):
            await world.create(session_id=f"{word}_{number}", desired="stopped")
    headers = {"X-API-Key": await world.key_of(Role.VIEWER, sessions=OWN_SESSIONS)}

    first = await world.call("GET", "/v1/sessions?limit=2", headers=headers)
    second = await world.call("GET", f"/v1/sessions?limit=2&cursor={first.json['next_cursor']}", headers=headers)

    assert b"own_0" in first.raw
    assert b"own_1" in first.raw
    assert b"own_2" in second.raw
    assert b"other" not in first.raw + second.raw
    assert second.json["next_cursor"] is None


async def test_all_means_all_of_ones_own_when_they_are_stopped(tenants: Tenants) -> None:
    stopped = await tenants.ask(await tenants.key(), "POST", "/v1/sessions/stop", {})

    assert stopped.status == 202
    assert not tenants.foreign.is_told_in(stopped.raw.decode())
    assert tenants.world.sessions.get(tenants.foreign["session_id"]).status is Status.CONNECTED


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "invalid"),
        ({"user_id": "own-user"}, 422, "invalid"),
        ({"session_id": "other_2_session_a"}, 404, "not_found"),
        ({"session_id": "never_2_session_a"}, 404, "not_found"),
        ({"session_id": "own_new", "env": {"LOG_LEVEL": "debug"}}, 403, "forbidden"),
        ({"session_id": "never_new", "proxy_url": "http://proxy:8080"}, 403, "forbidden"),
        ({"session_id": "own_new", "user_id": "other-user"}, 404, "not_found"),
        ({"session_id": "own_new", "user_id": "nobody-yet"}, 404, "not_found"),
    ],
)
async def test_a_session_is_made_only_within_ones_limits(
    tenants: Tenants, body: Object, status: int, code: str
) -> None:
    reply = await tenants.ask(await tenants.key(), "POST", "/v1/sessions", {**body, "desired": "stopped"})

    assert (reply.status, reply.code) == (status, code)
    assert tenants.world.find(SessionId("own_new")) is None


@pytest.mark.parametrize("user_id", ["own-user", None])
async def test_a_session_may_be_made_for_a_user_of_whose_sessions_one_knows(
    tenants: Tenants, user_id: str | None
) -> None:
    body = {"session_id": "own_new", "user_id": user_id, "desired": "stopped"}

    assert (await tenants.ask(await tenants.key(), "POST", "/v1/sessions", body)).status == 201
    assert (await tenants.ask(await tenants.key(), "POST", "/v1/sessions", body)).status == 200


async def test_a_session_that_belongs_to_somebody_elses_user_is_made_again_as_it_is(tenants: Tenants) -> None:
    body = {"session_id": "own_shared", "user_id": "other-user", "desired": "stopped"}
    await tenants.world.create(**body)

    assert (await tenants.ask(await tenants.key(), "POST", "/v1/sessions", body)).status == 200


async def test_only_an_admin_says_what_an_engine_is_told(tenants: Tenants) -> None:
    path = f"/v1/sessions/{tenants.own['session_id']}"
    operator, admin = await tenants.key(), await tenants.key(Role.ADMIN)

    assert (await tenants.ask(operator, "PATCH", path, {"env": {}})).status == 403
    assert (await tenants.ask(operator, "PATCH", path, {"proxy_url": None})).status == 403
    assert (await tenants.ask(operator, "PATCH", path, {"memory_limit_bytes": 10**9})).status == 200
    assert (await tenants.ask(admin, "PATCH", path, {"proxy_url": "http://proxy:8080"})).status == 200


async def test_the_code_of_a_new_session_is_for_keys_with_qr(world: World) -> None:
    body = {"session_id": "own_qr", "wait_for": "qr", "timeout_s": 20}
    blind, seeing = [
        {"X-API-Key": await world.key_of(Role.OPERATOR, sessions=OWN_SESSIONS, qr=qr)} for qr in (False, True)
    ]

    first = await world.call("POST", "/v1/sessions", body, headers=blind)
    again = await world.call("POST", "/v1/sessions", body, headers=seeing)

    assert (first.status, first.json["qr_base64"]) == (201, None)
    assert (again.status, bool(again.json["qr_base64"])) == (200, True)


#: What is told of single sessions, or is the sum of those that the caller may know of.
OF_OWN_SESSIONS = {
    "openwa_manager_acks_overdue",
    "openwa_manager_build_info",
    "openwa_manager_endpoint_up",
    "openwa_manager_messages_waiting",
    "openwa_manager_session_cpu_percent",
    "openwa_manager_session_cpu_seconds_total",
    "openwa_manager_session_rss_bytes",
    "openwa_manager_session_status",
    "openwa_manager_sessions",
}


async def test_metrics_are_those_of_the_own_sessions_and_nothing_of_the_host(tenants: Tenants) -> None:
    for each in (tenants.own, tenants.foreign):
        tenants.world.used[SessionId(each["session_id"])] = Usage(rss_bytes=1, cpu_percent=1.0, process_count=1)

    scraped = (await tenants.ask(await tenants.key(Role.VIEWER), "GET", "/metrics")).raw.decode()

    assert 'openwa_manager_sessions{status="stopped"} 1.0' in scraped
    assert 'openwa_manager_sessions{status="connected"} 0.0' in scraped
    assert 'openwa_manager_session_rss_bytes{session_id="own_1_session_a"} 1.0' in scraped
    assert sorted(re.findall(r"openwa_manager_messages_waiting{.*} (.*)", scraped))[-2:] == ["0.0", "2.0"]
    assert "openwa_manager_acks_overdue 0.0" in scraped
    assert not tenants.foreign.is_told_in(scraped)
    assert set(re.findall(r"^# TYPE (\S+)", scraped, re.MULTILINE)) == OF_OWN_SESSIONS
