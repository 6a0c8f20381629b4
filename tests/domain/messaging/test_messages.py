from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.messaging.messages import (
    BODY_USES,
    FINAL,
    MOVES,
    OPEN,
    PROGRESS,
    RESENDABLE,
    STANDINGS,
    BodyUse,
    MessageStatus,
    Move,
    Standing,
    may_move,
    told_of,
    user_key_of,
)
from openwa_manager.domain.session.session import SessionId

S = MessageStatus


def test_every_state_has_its_row_in_every_table() -> None:
    assert set(MOVES) == set(STANDINGS) == set(BODY_USES) == set(S)
    assert set(S) == FINAL | OPEN
    assert {status for status in S if BODY_USES[status] is BodyUse.TO_SEND_AGAIN} == RESENDABLE


def test_a_final_state_gives_way_to_later_proof_only() -> None:
    assert {status: MOVES[status] for status in FINAL if MOVES[status]} == {
        S.SENT: {S.DELIVERED, S.READ, S.FAILED},
        S.DELIVERED: {S.READ},
        S.UNKNOWN: {S.SENT, S.DELIVERED, S.READ, S.FAILED},
    }


def test_no_step_leads_back_to_waiting_but_from_an_attempt() -> None:
    assert [status for status in S if may_move(status, S.QUEUED)] == [S.SENDING]
    assert [status for status in S if may_move(status, S.SENDING)] == [S.QUEUED]


@given(walk=st.lists(st.sampled_from(list(S)), max_size=50), by_us=st.booleans())
def test_on_every_walk_each_event_is_told_once_at_most_and_in_order(walk: list[MessageStatus], *, by_us: bool) -> None:
    status, told = S.QUEUED, list[str]()

    for to in walk:
        if may_move(status, to):
            told += told_of(status, Move(to=to, at=1.0, by_us=by_us))
            status = to

    order = ["message.sent", "message.delivered", "message.read"]
    progress = [type_ for type_ in told if type_ in order]
    assert progress == sorted(set(progress), key=order.index)
    assert (status in PROGRESS) <= ("message.sent" in told)
    assert told.count("message.failed") <= 2  # unknown, and then a proof that it failed


def test_a_caller_s_own_cancellation_tells_nothing() -> None:
    assert told_of(S.QUEUED, Move(to=S.CANCELLED, at=1.0)) == ()
    assert told_of(S.QUEUED, Move(to=S.CANCELLED, at=1.0, by_us=True)) == ("message.failed",)


def test_what_was_sent_keeps_no_text_and_what_may_have_been_keeps_its_place_in_the_quota() -> None:
    assert all(BODY_USES[status] is BodyUse.NOTHING for status in PROGRESS)
    assert STANDINGS[S.UNKNOWN] is Standing.RESERVED


def test_no_user_and_no_session_share_a_key() -> None:
    assert user_key_of(SessionId("a"), None) != user_key_of(SessionId("b"), "a")
    assert user_key_of(SessionId("a"), "session:b") != user_key_of(SessionId("b"), None)
