"""`/v1/doctor`: who is told what, how long it may take, and for how long it is told again."""

import asyncio

import pytest

from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.access.scopes import EVERY_SESSION
from openwa_manager.domain.delivery.delivery import EndpointHealth, LastAnswer
from openwa_manager.services.delivery.endpoints import EndpointStatus
from openwa_manager.services.diagnosis.doctor import Doctor
from tests.api.doctors import doctor_of, sources_of
from tests.api.world import Object, World
from tests.store.delivery.samples import an_endpoint


def codes(document: Object, subject: str) -> set[str]:
    return {each["code"] for each in document["findings"] if each["subject"] == subject}  # type: ignore[union-attr,index,call-overload,misc]


async def test_all_that_is_wrong_is_told_with_its_cure(world: World) -> None:
    await world.create(session_id="user_1_a", desired="stopped")

    reply = await world.call("GET", "/v1/doctor")

    assert codes(reply.json, "host") == {"room"}
    assert codes(reply.json, "user_1_a") == {"stopped"}
    first = reply.json["findings"][0]  # type: ignore[index]
    assert list(first) == ["code", "level", "subject", "detail", "cure"]  # type: ignore[arg-type]


async def test_a_key_with_limits_is_told_of_its_own_sessions_alone(world: World) -> None:
    for session_id in ("user_1_a", "user_2_a"):
        await world.create(session_id=session_id, desired="stopped")
    await world.call("POST", "/v1/endpoints", {"url": "https://example.com/hook", "secret": "short"})
    key = await world.key_of(Role.ADMIN, sessions=("user_1_*",))

    reply = await world.call("GET", "/v1/doctor", headers={"X-API-Key": key})
    by_pattern = await world.call("GET", "/v1/doctor?session_id=*", headers={"X-API-Key": key})

    for document in (reply.json, by_pattern.json):
        assert {each["subject"] for each in document["findings"]} == {"user_1_a"}  # type: ignore[union-attr,index,call-overload]
    assert (await world.call("GET", "/v1/doctor?session_id=user_2_a", headers={"X-API-Key": key})).status == 404
    assert (await world.call("GET", "/v1/doctor?session_id=user_3_a", headers={"X-API-Key": key})).status == 404


async def test_an_endpoint_is_told_of_with_the_sessions_that_it_is_told_of(world: World) -> None:
    for session_id in ("user_1_a", "user_2_a"):
        await world.create(session_id=session_id, desired="stopped")
    body = {"url": "https://example.com/hook", "secret": "short", "sessions": ["user_1_*"]}
    endpoint_id = (await world.call("POST", "/v1/endpoints", body)).json["endpoint_id"]

    own = await world.call("GET", "/v1/doctor?session_id=user_1_a")
    other = await world.call("GET", "/v1/doctor?session_id=user_2_a")

    assert codes(own.json, f"endpoint {endpoint_id}") == {"secret_short"}
    assert codes(other.json, f"endpoint {endpoint_id}") == set()


async def test_what_was_found_is_told_again_until_its_session_changes(world: World) -> None:
    await world.create(session_id="a", desired="stopped")
    looks: list[int] = []
    own = doctor_of(world.sessions, world.database, world.messaging.api.queues, world.channels.endpoints, looks.append)

    first = await own.look_around(EVERY_SESSION)
    second = await own.look_around(EVERY_SESSION)

    assert first == second
    assert len(looks) == 1


async def test_sessions_that_take_too_long_are_counted(world: World) -> None:
    await world.create(session_id="a", desired="stopped")
    channels, queues = world.channels, world.messaging.api.queues
    own = doctor_of(world.sessions, world.database, queues, channels.endpoints, within_s=0.0)

    found = {each.code: each for each in await own.look_around(EVERY_SESSION)}

    assert found.keys() == {"room", "not_looked_at"}
    assert found["not_looked_at"].detail.startswith("1 sessions")


async def test_an_answer_holds_so_many_findings_whatever_is_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        await world.create(session_id=f"s{number}", desired="stopped")
    monkeypatch.setattr("openwa_manager.services.diagnosis.doctor.FINDINGS_MAX", 3)
    channels, queues = world.channels, world.messaging.api.queues
    own = doctor_of(world.sessions, world.database, queues, channels.endpoints)

    by_pattern, all_of_it = await own.look_at("s*", EVERY_SESSION), await own.look_around(EVERY_SESSION)

    assert [each.code for each in by_pattern] == ["stopped"] * 3
    assert [each.code for each in all_of_it] == ["room", "stopped", "stopped"]


async def test_a_host_that_hangs_keeps_nobody_waiting(world: World) -> None:
    await world.create(session_id="a", desired="stopped")
    sources = sources_of(world.database, world.messaging.api.queues, world.channels.endpoints)
    own = Doctor(world.sessions, sources, asyncio.Event().wait, within_s=0.05)  # type: ignore[arg-type]  # it never ends

    async with asyncio.TaskGroup() as group:
        both = [group.create_task(own.look_around(EVERY_SESSION)) for _ in range(2)]
    about_one = await own.look_at("a", EVERY_SESSION)

    for looked in both:
        assert [each.detail for each in looked.result()] == ["1 sessions, endpoints, host were not looked at in time"]
    assert {each.code for each in about_one} == {"stopped"}


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (LastAnswer(status=503, error="it answered 503 Service Unavailable", failing_since=1.0), (503, None)),
        (LastAnswer(error="timeout", failing_since=1.0), (None, "timeout")),
        (LastAnswer(status=200), (None, None)),
        (LastAnswer(), (None, None)),
    ],
)
async def test_the_last_answer_is_the_cause_however_much_waits(
    world: World, last: LastAnswer, told: tuple[int | None, str | None]
) -> None:
    sources = sources_of(world.database, world.messaging.api.queues, world.channels.endpoints)
    status = EndpointStatus(endpoint=an_endpoint(), pending_count=5_000, health=EndpointHealth(last=last))

    facts = await sources.of_endpoint(status)

    assert (facts.last_status, facts.last_error) == told
