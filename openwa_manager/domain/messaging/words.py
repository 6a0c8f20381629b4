"""What the states, holds and ends of messages mean, in a sentence each: pages and descriptions are made of them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from openwa_manager.domain.messaging.batches import BatchState, RejectionCode
from openwa_manager.domain.messaging.messages import AttemptOutcome, HoldCode, MessageStatus


class EndCode(StrEnum):
    """Why a message ended without an engine having said so; callers see it as `error_code`, as they do `SendCode`."""

    BODY_GONE = "body_gone"
    DATABASE_RESTORED = "database_restored"
    ERASED = "erased"
    EXPIRED = "expired"
    NEGATIVE_ACK = "negative_ack"
    OPTED_OUT = "opted_out"
    SESSION_DELETED = "session_deleted"
    SETTLED = "settled"


_S, _H, _E = MessageStatus, HoldCode, EndCode

STATES: Final[Mapping[MessageStatus, str]] = {
    _S.QUEUED: "It waits for its turn, or for what its `hold` says.",
    _S.SENDING: "The engine is asked, and has not answered yet.",
    _S.SENT: "WhatsApp has it.",
    _S.DELIVERED: "It reached the recipient's device.",
    _S.READ: "The recipient has read it.",
    _S.FAILED: "It was refused for good, or not taken at any attempt: it was not sent.",
    _S.BOUNCED: "The number is not on WhatsApp, or has blocked this one.",
    _S.EXPIRED: "Its time was over before it could be sent.",
    _S.UNKNOWN: "The engine was asked, and nobody knows whether it sent the message.",
    _S.CANCELLED: "It was called off: by its caller, an opt-out, or the deletion of its session.",
}
HOLDS: Final[Mapping[HoldCode, str]] = {
    _H.RESTORED: "The database is an older copy, so some of them may have been sent: a person must look.",
    _H.NUMBER_CHANGED: "Another number is linked than before: a person must say that it is meant.",
    _H.OPT_OUT_FLOOD: "More opt-outs came than one a second: a person must look.",
    _H.QUEUE_PAUSED: "A person paused the queue.",
    _H.AWAITING_ACKS: "WhatsApp acknowledged none of the last messages; the next acknowledgement ends it.",
    _H.RESTRICTED: "WhatsApp lets the account write to nobody, or to nobody new.",
    _H.NOT_CONNECTED: "The session is not connected.",
    _H.STORAGE_FULL: "The disk is full, so that no attempt can be recorded.",
    _H.CLOCK: "The host's clock was set; it ends within a minute.",
    _H.ENGINE_LIMITED: "The engine takes no message until then.",
    _H.BREAKER_OPEN: "Too many failed in a row, so there is a pause.",
    _H.BATCH_PAUSED: "A person paused the batch.",
    _H.SEND_AFTER: "It is not to be sent before then.",
    _H.RETRYING: "It was not sent, and is tried again then.",
    _H.QUIET_HOURS: "The hours of its batch have not come.",
    _H.FIRST_CONTACT_CAP: "Enough people who never wrote were written to today.",
    _H.CHECKING: "It is asked first whether the number is on WhatsApp.",
}
ENDS: Final[Mapping[EndCode, str]] = {
    _E.BODY_GONE: "its text is no longer kept",
    _E.DATABASE_RESTORED: "whether it was sent is known to a newer database only",
    _E.ERASED: "whom it was for is to be forgotten",
    _E.EXPIRED: "it could not be sent in time",
    _E.NEGATIVE_ACK: "WhatsApp says that it could not be delivered",
    _E.OPTED_OUT: "whom it was for does not want to be written to",
    _E.SESSION_DELETED: "the session was deleted",
    _E.SETTLED: "a person says that it was not sent",
}
REJECTIONS: Final[Mapping[RejectionCode, str]] = {
    RejectionCode.INVALID_RECIPIENT: "Nobody can be written to under this name.",
    RejectionCode.DUPLICATE: "The same chat, or the same reference, was there before: `message_id` is that message.",
    RejectionCode.OPTED_OUT: "The recipient wants no messages of this user.",
    RejectionCode.MISSING_VARIABLE: "The template needs a variable that is missing, or the text is empty with them.",
    RejectionCode.TEXT_TOO_LONG: "The text is too long once the variables are filled in.",
    RejectionCode.QUOTA_EXCEEDED: "The user may send no more this month.",
}
BATCH_STATES: Final[Mapping[BatchState, str]] = {
    BatchState.STAGING: "It is being taken in; nobody sees it yet.",
    BatchState.ACTIVE: "Its messages are sent when their turns come.",
    BatchState.PAUSED: "A person paused it.",
    BatchState.DONE: "All its messages have ended.",
    BatchState.CANCELLED: "It was called off; what had not been sent is cancelled.",
}
ATTEMPTS: Final[Mapping[AttemptOutcome, str]] = {
    AttemptOutcome.SENT: "The engine has sent it.",
    AttemptOutcome.NOT_TAKEN: "The engine could not take it now; no attempt is used up.",
    AttemptOutcome.PUT_OFF: "It was not sent, and may be tried again.",
    AttemptOutcome.REFUSED: "The engine or WhatsApp refused it.",
    AttemptOutcome.UNCERTAIN: "Nobody knows whether it was sent.",
}
