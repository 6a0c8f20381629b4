"""The JSON of a session is written once for each change, is always the one of now, and is not sent to who has it."""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import cast

import pytest

from openwa_manager.api.routing import json_of
from openwa_manager.api.sessions import kept_json
from openwa_manager.api.sessions.kept_json import SessionJson
from openwa_manager.api.sessions.responses import SessionOut
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.session.reasons import Reason, ReasonCode
from openwa_manager.domain.session.session import Desired, LinkState, ProcessState, Qr, Session, SessionId, Usage
from tests.api.world import World

CHANGES: tuple[Callable[[Session, random.Random], Session], ...] = (
    lambda session, chance: replace(session, process=chance.choice(list(ProcessState))),
    lambda session, chance: replace(session, link=chance.choice(list(LinkState))),
    lambda session, chance: replace(session, desired=chance.choice(list(Desired))),
    lambda session, chance: replace(session, reason=Reason(code=chance.choice(list(ReasonCode)), at=chance.random())),
    lambda session, chance: replace(session, last_seen_at=chance.random(), updated_at=chance.random()),
    lambda session, chance: replace(session, phone_number=str(chance.random()), push_name="Ann"),
    lambda session, chance: replace(
        session, spec=replace(session.spec, labels={"run": str(chance.random())}, env={str(chance.random()): "x"})
    ),
    lambda session, chance: replace(session, restarts=replace(session.restarts, count=chance.randrange(9))),
    lambda session, chance: replace(
        session, qr=Qr(seq=chance.randrange(9), attempt=1, sha256="", produced_at=1.0, expires_at=2.0)
    ),
    lambda session, _: replace(session, qr=None),
    lambda session, _: session,
)


class Written:
    """Counts how often a session is written as JSON."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        monkeypatch.setattr(kept_json, "json_of", self._write)

    def _write(self, shown: SessionOut) -> bytes:
        self.count += 1
        return json_of(shown)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    return Written(monkeypatch)


@pytest.mark.parametrize("seed", range(5))
async def test_what_is_kept_is_what_would_be_written_now(world: World, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 no secret
    await world.create(session_id="acme", desired="stopped")
    session, used = world.sessions.get("acme"), dict[SessionId, Usage]()
    kept = SessionJson(world.sessions, used.get)

    for _ in range(200):
        session = chance.choice(CHANGES)(session, chance)
        if chance.random() < 0.3:
            used[session.session_id] = Usage(rss_bytes=chance.randrange(99), cpu_percent=1.5, process_count=2)
        if chance.random() < 0.1:
            used.clear()

        assert kept.of(session).body == json_of(SessionOut.of(session, used.get(session.session_id)))


async def test_nothing_is_written_anew_without_a_change(world: World, written: Written) -> None:
    for number in range(5):
        await world.create(session_id=f"s{number}", desired="stopped")
    await world.call("GET", "/v1/sessions")
    before = written.count

    for _ in range(3):
        await world.call("GET", "/v1/sessions")
        await world.call("GET", "/v1/sessions/s1")
    assert written.count == before

    await world.call("PATCH", "/v1/sessions/s1", {"labels": {"a": "b"}})
    world.used[SessionId("s2")] = Usage(rss_bytes=1, cpu_percent=1.0, process_count=1)
    changed = (await world.call("GET", "/v1/sessions")).json

    assert written.count == before + 2
    sessions = {each["session_id"]: each for each in cast("list[dict[str, Json]]", changed["sessions"])}
    assert sessions["s1"]["labels"] == {"a": "b"}


async def test_others_have_their_turn_while_many_sessions_are_written(world: World, written: Written) -> None:
    await world.create(session_id="acme", desired="stopped")
    session = world.sessions.get("acme")
    many = [replace(session, session_id=SessionId(f"s{number}")) for number in range(1000)]
    before, counts = written.count, list[int]()

    async def look() -> None:
        while True:
            counts.append(written.count)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(look())
        found = await SessionJson(world.sessions, world.used.get).of_all(many)
        looking.cancel()

    assert [each.session for each in found] == many
    assert written.count == before + 1000
    assert max(after - before for before, after in pairwise([before, *counts, written.count])) <= 100


async def test_sessions_that_are_gone_are_not_kept(world: World) -> None:
    await world.create(session_id="acme", desired="stopped")
    session = world.sessions.get("acme")
    kept = SessionJson(world.sessions, world.used.get)

    for number in range(1000):
        kept.of(replace(session, session_id=SessionId(f"gone{number}")))

    assert len(kept) <= 2 * 1 + 64


async def test_who_has_a_session_is_told_so(world: World) -> None:
    await world.create(session_id="acme", desired="stopped")
    for path in ("/v1/sessions/acme", "/v1/sessions", "/v1/sessions?limit=1"):
        whole = await world.call("GET", path)
        tag = whole.headers["Etag"]
        assert whole.headers["Cache-Control"] == "private, no-cache"

        for method in ("GET", "HEAD"):
            for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
                reply = await world.call(method, path, headers={"If-None-Match": given})
                assert (reply.status, reply.raw, reply.headers["Etag"]) == (304, b"", tag)
                assert reply.headers["Cache-Control"] == "private, no-cache"
                assert reply.headers["X-Content-Type-Options"] == "nosniff"
            assert (await world.call(method, path, headers={"If-None-Match": '"other"'})).status == 200
            assert (await world.call(method, path)).headers["Etag"] == tag

        await world.call("PATCH", "/v1/sessions/acme", {"labels": {"path": path.replace("/", "_")}})
        changed = await world.call("GET", path, headers={"If-None-Match": tag})
        assert changed.status == 200
        assert changed.headers["Etag"] != tag


async def test_each_view_has_a_tag_of_its_own(world: World) -> None:
    for name in ("acme", "other"):
        await world.create(session_id=name, desired="stopped")
    key = await world.key_of(Role.VIEWER, sessions=("acme",))
    limited: Mapping[str, str] = {"X-API-Key": key}
    whole, own = await world.call("GET", "/v1/sessions"), await world.call("GET", "/v1/sessions", headers=limited)

    for tag in (whole.headers["Etag"], "*"):
        reply = await world.call("GET", "/v1/sessions/other", headers={**limited, "If-None-Match": tag})
        assert reply.status == 404
    assert whole.headers["Etag"] != own.headers["Etag"]
    crossed = await world.call("GET", "/v1/sessions", headers={**limited, "If-None-Match": whole.headers["Etag"]})
    assert (crossed.status, crossed.raw) == (200, own.raw)

    await world.call("PATCH", "/v1/sessions/other", {"labels": {"a": "b"}})
    same = await world.call("GET", "/v1/sessions", headers={**limited, "If-None-Match": own.headers["Etag"]})
    assert same.status == 304


async def test_a_page_that_gets_another_behind_it_is_another(world: World) -> None:
    await world.create(session_id="a", desired="stopped")
    last = await world.call("GET", "/v1/sessions?limit=1")

    await world.create(session_id="b", desired="stopped")
    page = await world.call("GET", "/v1/sessions?limit=1", headers={"If-None-Match": last.headers["Etag"]})

    assert page.status == 200
    assert page.json["next_cursor"] is not None
