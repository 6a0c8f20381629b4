"""What the page of a pairing link shows, by what its session is."""

from dataclasses import replace

import pytest

from openwa_manager.domain.access.pairing_links import PairingState, state_of
from openwa_manager.domain.session.reasons import Reason, ReasonCode
from openwa_manager.domain.session.session import After, Ending, LinkState, ProcessState, Session
from tests.domain.session.driver import AT, a_session

STOPPED = a_session()
WRONG = replace(STOPPED, reason=Reason(code=ReasonCode.WRONG_NUMBER, at=AT))


@pytest.mark.parametrize(
    ("session", "state"),
    [
        (STOPPED, PairingState.RESTING),
        (WRONG, PairingState.WRONG_NUMBER),
        (replace(STOPPED, process=ProcessState.STARTING), PairingState.PREPARING),
        (
            replace(STOPPED, ending=Ending(after=After.START_AGAIN, cause=ReasonCode.REQUESTED)),
            PairingState.PREPARING,
        ),
        (replace(STOPPED, process=ProcessState.RUNNING, link=LinkState.CONNECTED), PairingState.LINKED),
        (replace(STOPPED, process=ProcessState.FAILED), PairingState.FAILED),
    ],
)
def test_a_session_is_shown_as(session: Session, state: PairingState) -> None:
    assert state_of(session, has_code=False) is state
    assert state_of(session, has_code=True) is PairingState.CODE
