"""An engine's own id stands for one session."""

import pytest

from openwa_manager.domain.errors import EngineError
from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.starting.inner_ids import InnerIds

ONE, TWO = SessionId("one"), SessionId("two")


def test_an_id_belongs_to_who_claims_it_first() -> None:
    ids = InnerIds()
    ids.claim(ONE, "x")
    ids.claim(ONE, "x")

    with pytest.raises(EngineError, match="calls its session x, which is another session's id"):
        ids.claim(TWO, "x")


def test_a_session_that_gets_another_id_gives_up_the_former_one() -> None:
    ids = InnerIds()
    ids.claim(ONE, "x")

    ids.claim(ONE, "y")

    assert ids.note(TWO, "x")


def test_a_refused_claim_leaves_the_session_its_id() -> None:
    ids = InnerIds()
    ids.claim(ONE, "x")
    ids.claim(TWO, "y")

    assert not ids.note(TWO, "x")
    assert not ids.note(ONE, "y")


def test_a_deleted_sessions_id_may_be_claimed_again() -> None:
    ids = InnerIds()
    ids.claim(ONE, "x")

    ids.release(ONE)
    ids.release(ONE)

    assert ids.note(TWO, "x")
