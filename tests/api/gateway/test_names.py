"""Callers know a session by one name: the engine's own stands in nothing they get."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.api.bodies.uploads import SMALL_BYTES
from openwa_manager.api.gateway.forwarded import FORWARDED
from openwa_manager.api.gateway.relay import Names
from tests.api.gateway.test_sessions import linked
from tests.api.world import World

INNER = "5f1e3c5e-8a51-4a6c-9a55-0d5b8f0a7c11"
NAMES = Names(INNER.encode(), b"acme")
PIECE = st.one_of(st.just(INNER), st.just(INNER[:20]), st.just(INNER[20:]), st.just('{"id":"'), st.text(max_size=5))


async def in_pieces(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def translated(names: Names, pieces: list[bytes]) -> bytes:
    return b"".join([piece async for piece in names.translated(in_pieces(pieces))])


@given(pieces=st.lists(PIECE.map(str.encode)))
def test_what_comes_in_pieces_is_translated_as_if_it_were_whole(pieces: list[bytes]) -> None:
    whole = NAMES.translate(b"".join(pieces))

    assert asyncio.run(translated(NAMES, pieces)) == whole


@given(pieces=st.lists(st.text("ab", max_size=4).map(str.encode)), inner=st.text("ab", min_size=1, max_size=4))
def test_a_name_that_repeats_itself_is_found_where_it_begins_first(pieces: list[bytes], inner: str) -> None:
    names = Names(inner.encode(), b"-")

    assert asyncio.run(translated(names, pieces)) == names.translate(b"".join(pieces))


async def test_only_the_beginning_of_a_name_is_held_back() -> None:
    seen = [piece async for piece in NAMES.translated(in_pieces([b'{"id":"5f1e3c', b"5e", b'"}']))]

    assert seen == [b'{"id":"', b'5f1e3c5e"}']


async def test_no_forwarded_answer_has_the_engines_name_of_the_session(peers: World) -> None:
    inner = peers.sessions.get("acme").inner_id
    assert inner is not None
    lines = [line.partition(" ") for lines in FORWARDED.values() for line in lines]

    answers = {
        (method, tail): await peers.call(method, f"/api/sessions/{name}/{tail}", {} if method == "POST" else None)
        for name in ("acme", inner)
        for method, _, tail in lines
    }

    assert len(answers) > 100
    assert [call for call, reply in answers.items() if inner.encode() in reply.raw] == []
    assert answers["GET", "chats"].json["id"] == "acme"


async def test_a_webhook_belongs_to_the_session_that_is_listed(world: World) -> None:
    await linked(world)
    hook = {"url": "http://127.0.0.1:9/mine", "events": ["*"]}

    made = (await world.call("POST", "/api/sessions/acme/webhooks", hook)).json

    assert made["sessionId"] == "acme"


@pytest.mark.parametrize("size", [100, SMALL_BYTES + 100])
async def test_json_of_any_size_is_translated(peers: World, size: int) -> None:
    inner = str(peers.sessions.get("acme").inner_id)
    body = {"sessionId": inner, "filling": "x" * size, "statusUrl": f"/api/sessions/{inner}/messages/batch/1"}

    reply = await peers.call("POST", "/api/sessions/acme/vice/mirror", body)

    assert reply.json == {**body, "sessionId": "acme", "statusUrl": "/api/sessions/acme/messages/batch/1"}


@pytest.mark.parametrize("headers", [{"Content-Type": "image/png"}, {"Content-Encoding": "gzip"}])
async def test_what_is_no_plain_json_goes_through_as_it_is(peers: World, headers: dict[str, str]) -> None:
    body = gzip.compress(INNER.encode()) if "Content-Encoding" in headers else INNER.encode()
    query = "&".join(f"{name}={value}" for name, value in headers.items())

    async with peers.client.post(
        f"/api/sessions/acme/vice/dressed?{query}", headers={"X-API-Key": peers.key}, data=body, auto_decompress=False
    ) as answer:
        seen = await answer.read()

    assert seen == body
