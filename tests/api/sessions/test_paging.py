import math
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openwa_manager.api.sessions.cursor import SessionPosition
from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.session.session import is_session_id
from tests.api.world import World

IN_ONE_WORLD = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_runs = count()


@given(created_at=st.floats(allow_nan=False, allow_infinity=False), session_id=st.text(max_size=63))
def test_a_cursor_names_exactly_its_position(created_at: float, session_id: str) -> None:
    position = SessionPosition(created_at, session_id)

    assert SessionPosition.parse(position.cursor()) == position


@given(cursor=st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_a_cursor_of_nobody_is_refused_or_at_least_harmless(cursor: str) -> None:
    try:
        position = SessionPosition.parse(cursor)
    except InvalidInputError:
        return
    assert math.isfinite(position.created_at)


def test_without_a_cursor_the_first_page_begins_before_all_sessions() -> None:
    assert SessionPosition.parse(None) < SessionPosition(-1e300, "")


@IN_ONE_WORLD
@given(
    present=st.integers(0, 6),
    limit=st.integers(1, 4),
    arrivals=st.lists(st.integers(0, 2), max_size=4),
    leaver=st.integers(0, 5),
)
async def test_pages_hold_every_session_once_while_others_come_and_go(
    world: World, present: int, limit: int, arrivals: list[int], leaver: int
) -> None:
    run = next(_runs)
    names = (f"run{run}-{number}" for number in count())
    labels = {"run": str(run)}
    early = [
        str((await world.create(session_id=next(names), labels=labels, desired="stopped"))["session_id"])
        for _ in range(present)
    ]
    seen: list[str] = []
    cursor: object = ""

    while cursor is not None:
        query = f"limit={limit}&label=run:{run}" + (f"&cursor={cursor}" if cursor else "")
        page = (await world.call("GET", f"/v1/sessions?{query}")).json
        sessions, cursor = page["sessions"], page["next_cursor"]
        assert isinstance(sessions, list)
        assert len(sessions) <= limit
        seen += [each["session_id"] for each in sessions]
        for _ in range(arrivals.pop() if arrivals else 0):
            await world.create(session_id=next(names), labels=labels, desired="stopped")
        if leaver < len(seen):
            await world.call("DELETE", f"/v1/sessions/{seen[leaver]}")

    assert len(seen) == len(set(seen))
    assert seen[: len(early)] == early


#: What the router takes for one segment of a path: no separator, nothing that ends a request line or a path.
segments = st.text(st.characters(codec="ascii", exclude_characters="/?# \r\n\t"), min_size=1, max_size=70).filter(
    lambda text: text not in (".", "..") and not any(ord(character) < 33 or ord(character) == 127 for character in text)
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(segment=segments)
async def test_an_id_of_another_form_is_never_found_and_touches_nothing(world: World, segment: str) -> None:
    before = sorted(world.home.rglob("*"))

    for method, tail in (("GET", ""), ("GET", "/logs"), ("GET", "/qr"), ("DELETE", ""), ("POST", "/start")):
        head = f"{method} /v1/sessions/{segment}{tail} HTTP/1.1\nHost: localhost\nX-API-Key: {world.key}"
        status, _ = await world.raw(head)
        assert status in ((404, 405) if is_session_id(segment) or segment == "stop" else (400, 404))

    assert sorted(world.home.rglob("*")) == before


@pytest.mark.parametrize(
    "segment",
    [
        *("..%2f", "..%2F..%2Fetc%2Fpasswd", "%2e%2e", "%00", "a%00", "a%0a", "A", "%41", "a" * 64, "a%2fb", "a%252fb"),
        *("%c3%bc", "%ff", "a.b", "-a", "_a", "a%20", "%20a", "a;b", "a+b"),
    ],
)
@pytest.mark.parametrize("tail", ["", "/logs", "/qr", "/why", "/events", "/health"])
async def test_an_id_is_checked_after_decoding(world: World, segment: str, tail: str) -> None:
    await world.create(session_id="a", desired="stopped")
    before = sorted(world.home.rglob("*"))

    status, headers = await world.raw(
        f"GET /v1/sessions/{segment}{tail} HTTP/1.1\nHost: localhost\nX-API-Key: {world.key}"
    )

    assert (status, headers["Content-Type"]) == (404, "application/problem+json")
    assert sorted(world.home.rglob("*")) == before


async def test_an_id_written_with_escapes_is_still_the_id(world: World) -> None:
    await world.create(session_id="a_1", desired="stopped")

    status, _ = await world.raw(f"GET /v1/sessions/%61%5f1 HTTP/1.1\nHost: localhost\nX-API-Key: {world.key}")

    assert status == 200


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(session_id=st.text(max_size=70) | st.from_regex(r"\A[a-z0-9][a-z0-9_-]{0,70}\Z"))
async def test_only_a_legal_id_makes_a_session(world: World, session_id: str) -> None:
    reply = await world.call("POST", "/v1/sessions", {"session_id": session_id, "desired": "stopped"})

    assert reply.status in ((200, 201) if is_session_id(session_id) else (422,))
    assert all(is_session_id(session.session_id) for session in world.sessions.list_sessions())
