"""Links by which somebody without a key links one session to a phone, and what their page shows."""

from dataclasses import field
from enum import StrEnum
from typing import Final, NewType

from openwa_manager.domain.access.callers import KeyId
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import After, Session, SessionId, Status
from openwa_manager.domain.values import dataclass

LinkId = NewType("LinkId", str)

#: How long a link holds unless somebody says otherwise, and how long at most.
TTL_S: Final = 600
TTL_MAX_S: Final = 900
#: So many codes to type in are asked for by one link: WhatsApp soon refuses those who ask for many.
CODES_MAX: Final = 3
#: So many links of one session hold at once; a further one ends the oldest.
LINKS_MAX: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PairingLink:
    """A link that holds, until it is used or its time is over.

    Of its token and of the secret of the browser that has pressed the button (None: none has yet) only the SHA-256 is
    kept. `phone_number` (digits; None: any) is the only one that may be linked. `key_id` made it (None: no key was
    needed); `code_count` codes to type in were asked for.
    """

    link_id: LinkId
    token_sha256: bytes = field(repr=False)
    browser_sha256: bytes | None = field(default=None, repr=False)
    session_id: SessionId
    phone_number: str | None = None
    code_count: int = 0
    created_at: float
    created_by: str
    key_id: KeyId | None = None
    expires_at: float

    @property
    def codes_left(self) -> int:
        """Return how many codes to type in it may still ask for."""
        return max(0, CODES_MAX - self.code_count)


class PairingState(StrEnum):
    """What a page has to show; the script of the page knows these words."""

    #: A code will come by itself.
    PREPARING = "preparing"
    CODE = "code"
    #: A phone has taken the code.
    LINKING = "linking"
    LINKED = "linked"
    WRONG_NUMBER = "wrong_number"
    #: No code comes unless somebody asks for it again.
    RESTING = "resting"
    #: The same, and it may well fail again.
    FAILED = "failed"
    #: The link does not hold any more.
    OVER = "over"


#: What follows an engine that is being ended, if another is to come.
_GOES_ON: Final = frozenset({After.START_AGAIN, After.BACK_OFF})
_STATES: Final = {
    Status.CREATING: PairingState.PREPARING,
    Status.QR_READY: PairingState.PREPARING,
    Status.DISCONNECTED: PairingState.PREPARING,
    Status.RESTARTING: PairingState.PREPARING,
    Status.AUTHENTICATING: PairingState.LINKING,
    Status.CONNECTED: PairingState.LINKED,
    Status.STOPPING: PairingState.RESTING,
    Status.STOPPED: PairingState.RESTING,
    Status.LOGGED_OUT: PairingState.RESTING,
    Status.BANNED: PairingState.FAILED,
    Status.FAILED: PairingState.FAILED,
}


def state_of(session: Session, *, has_code: bool) -> PairingState:
    """Return what the page of a link of this session has to show; `has_code`: a code is valid now."""
    if has_code:
        return PairingState.CODE
    if session.ending is not None and session.ending.after in _GOES_ON:
        return PairingState.PREPARING
    state = _STATES[session.status]
    was_wrong = session.reason is not None and session.reason.code is ReasonCode.WRONG_NUMBER
    return PairingState.WRONG_NUMBER if was_wrong and state is PairingState.RESTING else state
