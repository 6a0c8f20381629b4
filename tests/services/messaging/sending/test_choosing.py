from dataclasses import replace

from openwa_manager.domain.messaging.batches import Batch, BatchOrigin, BatchState, BatchTerms
from openwa_manager.domain.messaging.holds import QueueFacts, Until
from openwa_manager.domain.messaging.messages import (
    BatchId,
    Body,
    HoldCode,
    Kind,
    Message,
    MessageId,
    MessageStatus,
    Origin,
    Priority,
    Recipient,
    Times,
)
from openwa_manager.domain.messaging.pacing import SendLane
from openwa_manager.domain.messaging.windows import window_of
from openwa_manager.domain.ports import Instant
from openwa_manager.domain.session.session import Status
from openwa_manager.services.messaging.sending.choosing import (
    Ask,
    Grant,
    Rest,
    Send,
    Situation,
    choose,
    hold_of,
    sub_hold,
)
from openwa_manager.services.messaging.sending.turns import Turn
from openwa_manager.store.messaging.outlook import Candidate, Outlook
from openwa_manager.store.messaging.queues import QueueRow
from tests.store.messaging.samples import SESSION

NOON = 1_795_780_800.0  # 2026-11-27 12:00 UTC
NOW = Instant(at=NOON, boot_s=1000.0)
NOTHING = Outlook(candidates=[], waiting_count=0, due_at=None, expiry_at=None, question=None)
FREE = Situation(
    now=NOW,
    row=QueueRow(session_id=SESSION),
    facts=QueueFacts(status=Status.CONNECTED, is_linked=True),
    outlook=NOTHING,
    lane=SendLane(),
)


def message(seq: int = 1, *, is_first: bool = False, priority: Priority = Priority.NORMAL) -> Message:
    return Message(
        message_id=MessageId(f"msg_{seq}"),
        seq=seq,
        origin=Origin(session_id=SESSION, priority=priority),
        recipient=Recipient(to="1", chat_id="1@c.us", is_first_contact=is_first),
        kind=Kind.TEXT,
        status=MessageStatus.QUEUED,
        times=Times(created_at=NOON - 100 + seq, expires_at=NOON + 9e4),
        body=Body(kind=Kind.TEXT, text="hello"),
    )


def batch(state: BatchState = BatchState.ACTIVE, window: tuple[str, str] | None = None) -> Batch:
    terms = BatchTerms(expires_at=NOON + 9e4, window=window_of(*window, "UTC") if window else None)
    return Batch(
        batch_id=BatchId("batch_1"),
        origin=BatchOrigin(session_id=SESSION),
        state=state,
        terms=terms,
        accepted_count=1,
        created_at=NOON,
    )


def with_(*candidates: Candidate, **changes: object) -> Situation:
    outlook = replace(NOTHING, candidates=list(candidates), waiting_count=len(candidates))
    return replace(FREE, outlook=outlook, **changes)  # type: ignore[arg-type]


def test_with_nothing_to_do_it_rests_until_something_changes() -> None:
    assert choose(FREE) == Rest(until_boot_s=None)


def test_the_best_in_rank_goes_first_whatever_the_order() -> None:
    low = Candidate(message=message(1, priority=Priority.LOW))
    normal = Candidate(message=message(2))

    assert choose(with_(low, normal)) == Send(candidate=normal)


def test_while_the_lane_rests_so_does_the_queue() -> None:
    lane = SendLane(free_boot_s=1001.5, first_contact_free_boot_s=1045.0)

    assert choose(with_(Candidate(message=message()), lane=lane)) == Rest(until_boot_s=1001.5)
    stranger = Candidate(message=message(is_first=True))
    assert choose(with_(stranger, lane=lane)) == Rest(until_boot_s=1045.0)


def test_known_chats_go_on_while_strangers_wait() -> None:
    stranger, friend = Candidate(message=message(1, is_first=True)), Candidate(message=message(2))
    lane = SendLane(free_boot_s=0.0, first_contact_free_boot_s=1045.0)

    assert choose(with_(stranger, friend, lane=lane)) == Send(candidate=friend)
    capped = with_(stranger, friend, cap=Until(at=NOON + 3600, detail="tomorrow"))
    assert choose(capped) == Send(candidate=friend)
    assert choose(with_(stranger, cap=Until(at=NOON + 3600, detail="tomorrow"))) == Rest(until_boot_s=4600.0)


def test_a_paused_batch_holds_nobody_else() -> None:
    paused = Candidate(message=message(1), batch=batch(BatchState.PAUSED))
    other = Candidate(message=message(2))

    assert choose(with_(paused, other)) == Send(candidate=other)
    assert choose(with_(paused)) == Rest(until_boot_s=None)
    hold = sub_hold(paused, with_(paused))
    assert hold is not None
    assert hold.code is HoldCode.BATCH_PAUSED


def test_nothing_of_a_batch_that_is_called_off_is_sent_any_more() -> None:
    cancelled = Candidate(message=message(1), batch=batch(BatchState.CANCELLED))

    assert choose(with_(cancelled)) == Rest(until_boot_s=None)


def test_a_window_that_is_closed_holds_its_batch_until_it_opens() -> None:
    asleep = Candidate(message=message(1), batch=batch(window=("13:00", "20:00")))
    awake = Candidate(message=message(2), batch=batch(window=("09:00", "20:00")))

    assert choose(with_(asleep)) == Rest(until_boot_s=4600.0)
    assert choose(with_(asleep, awake)) == Send(candidate=awake)
    hold = sub_hold(asleep, with_(asleep))
    assert hold is not None
    assert (hold.code, hold.until) == (HoldCode.QUIET_HOURS, NOON + 3600)


def test_a_request_of_the_gateway_stands_in_line_by_when_it_came() -> None:
    older, newer = Candidate(message=message(1)), Candidate(message=message(99))
    turn = Turn(arrived_at=NOON - 50)

    assert choose(with_(older, turns=(turn,))) == Send(candidate=older)
    assert choose(with_(newer, turns=(turn,))) == Grant(turn=turn)
    stranger = Turn(arrived_at=NOON - 50, is_first_contact=True)
    assert choose(replace(FREE, turns=(stranger,), cap=Until(at=None, detail=""))) == Rest(until_boot_s=None)


def test_a_question_that_is_due_goes_before_all_else() -> None:
    asked = message(5)
    outlook = replace(NOTHING, candidates=[Candidate(message=message(1))], question=(NOON - 1, asked))
    later = replace(outlook, question=(NOON + 10, asked), candidates=[])

    assert choose(replace(FREE, outlook=outlook)) == Ask(message=asked)
    assert choose(replace(FREE, outlook=later)) == Rest(until_boot_s=1010.0)


def test_what_holds_the_session_holds_all_but_still_lets_things_expire() -> None:
    outlook = replace(NOTHING, candidates=[Candidate(message=message())], expiry_at=NOON + 50)
    stopped = replace(FREE, outlook=outlook, facts=QueueFacts(status=Status.STOPPED, is_linked=False))
    limited = replace(
        FREE, outlook=outlook, facts=replace(FREE.facts, engine_limited=Until(at=NOON + 5, detail="slow down"))
    )

    assert choose(stopped) == Rest(until_boot_s=1050.0)
    assert choose(limited) == Rest(until_boot_s=1005.0)
    hold = hold_of(stopped, is_first_contact=False)
    assert hold is not None
    assert hold.code is HoldCode.NOT_CONNECTED


def test_what_is_overdue_and_could_not_be_done_is_not_looked_at_without_a_pause() -> None:
    outlook = replace(NOTHING, expiry_at=NOON - 500, due_at=NOON - 400)

    assert choose(replace(FREE, outlook=outlook)) == Rest(until_boot_s=1001.0)
