"""Batches, on a real database that breaks off wherever it likes."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.errors import IdempotencyMismatchError, OpenwaManagerError, QueueFullError
from openwa_manager.domain.messaging.batches import Rejection, RejectionCode
from openwa_manager.domain.messaging.messages import Body, Kind, MessageId, MessageStatus, UserKey
from openwa_manager.domain.session.session import Session, SessionId, Spec
from openwa_manager.services.changes import Changes
from openwa_manager.services.messaging.acceptance.bulk import BulkAcceptance
from openwa_manager.services.messaging.acceptance.drafts import Addressee, Asked, BulkDraft
from openwa_manager.services.messaging.acceptance.preparing import BatchFrame, KnownRecipients, prepare
from openwa_manager.services.messaging.acceptance.rules import Limits, Rules, Timing
from openwa_manager.services.messaging.records import MessageRecords, Telling
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.messaging import batches, heads, messages, quotas
from openwa_manager.store.messaging.messages import MessageFilter
from openwa_manager.store.sessions.registry import remove_session, save_session
from tests.api.messaging.building import Outside, forecast_of, gate_of
from tests.fakes.clock import FakeClock
from tests.store.messaging.samples import counted, tally

SESSION = Session(
    session_id=SessionId("user_1_session_a"),
    spec=Spec(user_id="1", engine="simulator"),
    engine_key="key",
    created_at=1.0,
    updated_at=1.0,
)
USER = UserKey("user:1")
MONTH = "2027-01"
T = TypeVar("T")


class CutOffError(Exception):
    """The daemon ends here."""


class CuttableRecords(MessageRecords):
    """Real ones; a test says before which write the daemon ends, and then nothing is written any more."""

    writes_left = 10**9

    async def tell(self, function: Telling[T]) -> T:
        self.writes_left -= 1
        if self.writes_left < 0:
            raise CutOffError
        return await super().tell(function)


@dataclass
class Bench:
    """What a test may touch."""

    database: Database
    records: CuttableRecords
    bulk: BulkAcceptance
    outside: Outside
    clock: FakeClock = field(default_factory=FakeClock)

    async def read(self, function: Callable[[Connection], T]) -> T:
        return await self.database.read(function)

    async def visible(self) -> list[str]:
        read = partial(messages.read_messages, session_id=SESSION.session_id, wanted=MessageFilter(), limit=100_000)
        return [message.recipient.to for message in await self.read(read)][::-1]

    async def reserved(self) -> int:
        return (await self.read(partial(quotas.read_quota, user_key=USER, month=MONTH))).reserved_count


def bench_of(database: Database, limits: Limits | None = None) -> Bench:
    clock, outside = FakeClock(), Outside()
    records = CuttableRecords(database, clock, Changes(), lambda _: None)
    gate = gate_of(records, clock, outside, Rules(limits=limits or Limits()))
    return Bench(database, records, BulkAcceptance(gate, forecast_of(records, clock), outside.media), outside, clock)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database(tmp_path / "manager.db") as opened:
        await opened.write(partial(save_session, session=SESSION, steps=(), events=()))
        yield opened


def draft_to(count: int, first: int = 0) -> BulkDraft:
    people = [Addressee(to=f"+8529{number:07}", variables={"n": str(number)}) for number in range(first, first + count)]
    return BulkDraft(body=Body(kind=Kind.TEXT, text="no {{n}}"), addressees=people)


KEYED = Asked(key="k", body_sha256="a")
UNKEYED = Asked(key=None, body_sha256="")


async def test_a_batch_that_is_cut_off_anywhere_leaves_nothing(database: Database) -> None:
    """1,100 messages are three slices: begun, staged three times, finished."""
    for cut in range(5):
        bench = bench_of(database)
        bench.records.writes_left = cut
        with pytest.raises(CutOffError):
            await bench.bulk.accept(SESSION, draft_to(1100), KEYED)
        assert await bench.visible() == []

        restarted = bench_of(database)
        await restarted.bulk.clear()

        assert await restarted.read(tally) == {}
        assert await restarted.reserved() == 0
        assert not await restarted.read(batches.has_staging)
        assert await restarted.read(lambda connection: connection.execute("SELECT * FROM idempotency").fetchall()) == []
        assert bench.outside.woken == []


async def test_a_batch_is_all_there_once_it_is_taken_in(database: Database) -> None:
    bench = bench_of(database)
    wanted = draft_to(1100)

    await bench.bulk.accept(SESSION, wanted, KEYED)

    assert await bench.visible() == [person.to for person in wanted.addressees]
    assert await bench.reserved() == 1100
    assert await bench.read(tally) == await bench.read(counted)
    assert bench.outside.woken == [SESSION.session_id]


async def test_what_was_left_of_a_batch_is_gone_before_the_next(database: Database) -> None:
    bench = bench_of(database)
    bench.records.writes_left = 3
    with pytest.raises(CutOffError):
        await bench.bulk.accept(SESSION, draft_to(1100), KEYED)

    restarted = bench_of(database)
    await restarted.bulk.accept(SESSION, draft_to(10), KEYED)

    assert len(await restarted.visible()) == await restarted.reserved() == 10


def break_publishing(connection: Connection) -> None:
    connection.execute(
        "CREATE TEMP TRIGGER broken BEFORE UPDATE OF state ON batch BEGIN SELECT RAISE(ABORT, 'broken'); END"
    )


async def test_a_batch_that_fails_midway_takes_back_what_it_took(database: Database) -> None:
    bench = bench_of(database)

    await database.write(break_publishing)
    with pytest.raises(Exception, match="broken"):
        await bench.bulk.accept(SESSION, draft_to(600), KEYED)

    assert await bench.read(tally) == {}
    assert await bench.reserved() == 0
    assert bench.outside.media.released != []


async def test_a_session_that_goes_meanwhile_gets_nothing(database: Database) -> None:
    bench = bench_of(database)
    await database.write(partial(remove_session, session_id=SESSION.session_id))

    with pytest.raises(OpenwaManagerError, match="no such session"):
        await bench.bulk.accept(SESSION, draft_to(5), KEYED)

    assert await bench.reserved() == 0


async def test_a_queue_that_is_full_takes_nothing(database: Database) -> None:
    bench = bench_of(database, Limits(session_count=10, host_count=12, host_bytes=1 << 30))
    await bench.bulk.accept(SESSION, draft_to(8), UNKEYED)

    with pytest.raises(QueueFullError, match="in a session"):
        await bench.bulk.accept(SESSION, draft_to(3, first=100), UNKEYED)
    small = bench_of(database, Limits(host_bytes=5000))
    with pytest.raises(QueueFullError, match="on this host"):
        await small.bulk.accept(SESSION, draft_to(1, first=100), UNKEYED)

    few = bench_of(database, Limits(session_batches=1))
    with pytest.raises(QueueFullError, match="1 batches may wait"):
        await few.bulk.accept(SESSION, draft_to(1, first=100), UNKEYED)

    assert len(await bench.visible()) == await bench.reserved() == 8


async def test_one_key_is_one_batch(database: Database) -> None:
    bench = bench_of(database)

    first = await bench.bulk.accept(SESSION, draft_to(3), KEYED)
    again = await bench.bulk.accept(SESSION, draft_to(3), KEYED)
    with pytest.raises(IdempotencyMismatchError):
        await bench.bulk.accept(SESSION, draft_to(3), Asked(key="k", body_sha256="b"))

    assert (first.is_new, again.is_new, again.answer) == (True, False, first.answer)
    assert len(await bench.visible()) == 3


async def test_messages_of_a_batch_expire_some_time_after_its_forecast_end(database: Database) -> None:
    bench = bench_of(database)

    await bench.bulk.accept(SESSION, draft_to(1000), UNKEYED)

    soonest = await bench.read(partial(heads.next_expiry_at, session_id=SESSION.session_id))
    assert soonest is not None
    assert soonest - bench.clock.now().at - 86_400 == pytest.approx(1000 * 3.5, rel=0.05)


async def test_whoever_became_known_meanwhile_is_no_first_contact(database: Database) -> None:
    bench = bench_of(database)
    await database.write(
        lambda connection: (
            connection.execute(
                "INSERT INTO contact VALUES (?, '85290000001@c.us', 1.0)", (SESSION.session_id,)
            ).rowcount
        )
    )

    await bench.bulk.accept(SESSION, draft_to(3), UNKEYED)

    assert await bench.read(partial(heads.count_by_status, session_id=SESSION.session_id)) == {MessageStatus.QUEUED: 3}
    counts = Counter({key[3]: count for key, count in (await bench.read(tally)).items()})
    assert counts == {0: 1, 1: 2}


PEOPLE = st.lists(
    st.builds(
        Addressee,
        to=st.sampled_from(["1@c.us", "2@c.us", "3@g.us", "bad"]),
        variables=st.sampled_from([{}, {"n": "x"}, {"n": "y" * 5000}, {"n": " "}]),
        reference=st.sampled_from([None, "known", "a", "b"]),
    ),
    max_size=12,
)


@given(people=PEOPLE, is_keyed=st.booleans())
def test_every_entry_is_decided_once_and_by_the_first_reason(people: list[Addressee], *, is_keyed: bool) -> None:
    known = KnownRecipients(
        suppressed={"2@c.us"},
        contacts={"1@c.us"},
        references=None if is_keyed else {"known": MessageId("msg_0")},
    )
    ids = [MessageId(f"msg_{index + 1}") for index in range(len(people))]
    frame = BatchFrame(timing=Timing(send_after=None, expires_at=2.0), now=1.0, ttl_s=1.0, ids=ids)
    chats: list[str | Rejection] = [_chat(index, each.to) for index, each in enumerate(people)]

    prepared = prepare(BulkDraft(body=Body(kind=Kind.TEXT, text="{{n}}"), addressees=people), chats, known, frame)

    assert [(each.index, each.code.value) for each in prepared.rejected] + [
        (each.index, "") for each in prepared.taken
    ] == [each for each in _model(people, is_keyed=is_keyed) if each[1]] + [
        each for each in _model(people, is_keyed=is_keyed) if not each[1]
    ]
    assert {each.is_first_contact for each in prepared.taken} <= {False}


def _chat(index: int, to: str) -> str | Rejection:
    return Rejection(index=index, code=RejectionCode.INVALID_RECIPIENT, detail="") if to == "bad" else to


def _model(people: list[Addressee], *, is_keyed: bool) -> list[tuple[int, str]]:
    decided: list[tuple[int, str]] = []
    chats: set[str] = set()
    references = {"known"}
    for index, each in enumerate(people):
        text = each.variables.get("n")
        is_repeated = each.to in chats or (not is_keyed and each.reference in references)
        reasons = (
            ("invalid_recipient", each.to == "bad"),
            ("duplicate", is_repeated),
            ("opted_out", each.to == "2@c.us"),
            ("missing_variable", text is None),
            ("text_too_long", text is not None and len(text) > 4096),
            ("missing_variable", text == " "),
        )
        reason = next((code for code, applies in reasons if applies), "")
        decided.append((index, reason))
        if not reason:
            chats.add(each.to)
            references |= {each.reference} if each.reference else set()
    return decided
