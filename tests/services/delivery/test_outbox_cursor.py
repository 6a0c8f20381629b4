from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.delivery import Lane
from openwa_manager.domain.delivery.endpoint_queue import StreamKey
from openwa_manager.domain.delivery.events import EndpointId, Event, StoredEvent
from openwa_manager.services.delivery.outbox_cursor import OutboxCursor
from openwa_manager.store.database import Database
from openwa_manager.store.delivery import outbox
from openwa_manager.store.delivery.endpoints import save_endpoint
from tests.services.delivery.dispatch_setup import a_code, an_endpoint, an_event

ENDPOINT = EndpointId("ep_1")


class Outbox:
    """An outbox, and how often it was read."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.news = OutboxCursor(database)

    async def store(self, *events: Event) -> list[StoredEvent]:
        return await self._database.write(partial(outbox.append, events=events))

    async def heard(self) -> list[tuple[str, int, bool]]:
        """Return what is new: whose event it is, its seq, and whether it need not be read again."""
        arrivals = await self.news.read_new()
        return [(arrival.key.session_id, arrival.seq, arrival.stored is not None) for arrival in arrivals]


@pytest.fixture
async def out(tmp_path: Path) -> AsyncIterator[Outbox]:
    async with Database(tmp_path / "manager.db") as database:
        await database.write(partial(save_endpoint, endpoint=an_endpoint()))
        yield Outbox(database)


async def test_announced_events_are_passed_on_as_they_are(out: Outbox) -> None:
    stored = await out.store(an_event(1, "a"), an_event(1, "b"))
    out.news.announce(stored)

    arrivals = await out.news.read_new()

    assert [arrival.stored for arrival in arrivals] == stored
    assert arrivals[0].key == StreamKey(ENDPOINT, Lane.MAIN, "a")


async def test_announcements_that_come_out_of_order_are_put_in_order(out: Outbox) -> None:
    first, second = await out.store(an_event(1, "a")), await out.store(an_event(2, "a"))
    out.news.announce(second)
    out.news.announce(first)

    assert await out.heard() == [("a", 1, True), ("a", 2, True)]


async def test_what_nobody_announced_is_found_on_disk_before_what_follows_it(out: Outbox) -> None:
    out.news.announce(await out.store(an_event(1, "a")))
    await out.store(an_event(1, "b"))
    out.news.announce(await out.store(an_event(2, "b")))

    assert await out.heard() == [("a", 1, True), ("b", 2, False)]  # the first event of b, whatever was announced


@pytest.mark.parametrize("announced", [True, False])
async def test_an_event_is_new_only_once(out: Outbox, announced: bool) -> None:
    stored = await out.store(an_event(1, "a"))
    out.news.announce(stored if announced else ())
    await out.heard()

    out.news.announce(stored)

    assert await out.heard() == []


async def test_a_code_is_read_from_disk_since_a_newer_one_may_have_replaced_it(out: Outbox) -> None:
    out.news.announce(await out.store(a_code(1), a_code(2)))

    assert {is_known for _, _, is_known in await out.heard()} == {False}


async def test_an_event_that_no_endpoint_asked_for_is_no_news_but_no_gap_either(tmp_path: Path) -> None:
    async with Database(tmp_path / "manager.db") as database:
        await database.write(partial(save_endpoint, endpoint=an_endpoint(sessions=("b",))))
        out = Outbox(database)
        out.news.announce(await out.store(an_event(1, "a"), an_event(1, "b")))

        assert await out.heard() == [("b", 2, True)]


async def test_more_than_a_thousand_announcements_are_not_kept_in_memory(out: Outbox) -> None:
    for _ in range(11):
        out.news.announce(await out.store(*(an_event(1, f"s{number}") for number in range(100))))

    heard = await out.heard()

    assert {session: seq for session, seq, _ in heard} == {f"s{number}": number + 1 for number in range(100)}
    assert {is_known for _, _, is_known in heard} == {False}


@pytest.mark.parametrize("announced", [(), (an_event(),)])
async def test_there_is_news_until_it_was_read(out: Outbox, announced: Sequence[Event]) -> None:
    assert not out.news

    out.news.announce(await out.store(*announced))
    assert out.news
    await out.news.read_new()

    assert not out.news
