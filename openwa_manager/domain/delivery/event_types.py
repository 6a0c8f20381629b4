"""The events there are: when each is told, and what it says beside what every event says.

The page about events is made of it, and the events of real runs are compared with it.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import chain
from typing import Final, NamedTuple

from openwa_manager.domain.delivery.events import HEARTBEAT, PASSED_THROUGH


class FieldKind(StrEnum):
    """What a field holds."""

    STRING = "string"
    TIME = "time"
    INTEGER = "integer"
    NUMBER = "number"
    OBJECT = "object"


class Field(NamedTuple):
    """One field of an event; `may_be_null` and `may_be_absent` are told of those that are not always there."""

    name: str
    kind: FieldKind
    says: str
    may_be_null: bool = False
    may_be_absent: bool = False


class EventType(NamedTuple):
    """One type of event; a name that ends in `*` stands for all that begin so."""

    name: str
    when: str
    fields: tuple[Field, ...] = ()


_STRING, _TIME, _INTEGER, _NUMBER, _OBJECT = FieldKind

#: What every event says.
COMMON: Final = (
    Field("id", _STRING, "The same on every delivery of this event: an event can arrive twice."),
    Field("type", _STRING, "One of the names below."),
    Field("event", _STRING, "The same as `type`."),
    Field("timestamp", _TIME, "When it happened."),
    Field("session_id", _STRING, "The session it is about; null: the daemon itself.", may_be_null=True),
    Field("user_id", _STRING, "The user of that session.", may_be_null=True),
    Field("seq", _INTEGER, "Numbers the events of a session without gaps, in their order.", may_be_null=True),
    Field("launch", _INTEGER, "How often the session's engine had been launched.", may_be_null=True),
    Field("host", _STRING, "The name of the daemon's host."),
)

_PID = Field("pid", _INTEGER, "The process of the engine.", may_be_null=True)
_EXIT = (
    _PID,
    Field("exit_code", _INTEGER, "What it ended with; null: by a signal, or not known.", may_be_null=True),
    Field("signal", _INTEGER, "The signal that ended it.", may_be_null=True),
)
_REASON = (
    Field("reason", _STRING, "A code of [reasons.md](reasons.md).", may_be_absent=True),
    Field("reason_detail", _STRING, "The same as a sentence, with the facts of the case.", may_be_absent=True),
)
_CODE = Field("reason", _STRING, "A code of [reasons.md](reasons.md).")
_DETAIL = Field("reason_detail", _STRING, "The same as a sentence, with the facts of the case.")
_ATTEMPT = Field("attempt", _INTEGER, "The number of crashes in a row.")
_PHONE = Field("phone_number", _STRING, "The linked number, without `+`.", may_be_null=True)
_MESSAGE = (
    Field("message_id", _STRING, "WhatsApp's id of the message; null: it has none yet.", may_be_null=True),
    Field("manager_message_id", _STRING, "Ours; null: it was sent past us, as from the phone.", may_be_null=True),
    Field("batch_id", _STRING, "Its batch; null: none.", may_be_null=True),
    Field("to", _STRING, "The recipient, as the caller wrote it.", may_be_null=True),
    Field("reference", _STRING, "The caller's own name for it.", may_be_null=True),
    Field("status", _STRING, "Its state: see [reasons.md](reasons.md#states-of-messages)."),
    Field("error_code", _STRING, "Why it failed: a code of [reasons.md](reasons.md).", may_be_null=True),
    Field("error_detail", _STRING, "The same as a sentence.", may_be_null=True),
)
_BATCH = (
    Field("batch_id", _STRING, "The batch."),
    Field("name", _STRING, "What its caller called it.", may_be_null=True),
    Field("counts", _OBJECT, "How many of its messages are in which state."),
    Field("reply_share", _NUMBER, "Which share of the recipients has replied, 0 to 1.", may_be_null=True),
    Field("estimated_at", _TIME, "When its last message leaves; null: nobody can tell.", may_be_null=True),
)
_HEAD = Field("audit_head", _STRING, "The newest hash of the audit: keep it to check the chain with.")

_SESSION: Final = (
    EventType("session.created", "A session was made.", (Field("pid", _INTEGER, "Always null.", may_be_null=True),)),
    EventType(
        "session.status",
        "The status changed, or a link that is down is down for another reason.",
        (
            Field("status", _STRING, "The status now."),
            Field("previous", _STRING, "The status before."),
            Field("reason", _STRING, "A code of [reasons.md](reasons.md).", may_be_null=True),
            _REASON[1],
        ),
    ),
    EventType(
        "session.qr",
        "A new code can be scanned. It is a login: do not log it, do not store it.",
        (
            Field("qr_base64", _STRING, "The image, a PNG; absent in lists once it has expired.", may_be_absent=True),
            Field("mimetype", _STRING, "`image/png`."),
            Field("qr_seq", _INTEGER, "Counts the images of the session."),
            Field("attempt", _INTEGER, "Counts those of this pairing window."),
            Field("expires_at", _TIME, "When it can be scanned no more."),
        ),
    ),
    EventType(
        "session.connected",
        "The link to WhatsApp is up.",
        (_PHONE, Field("push_name", _STRING, "The name that the account shows.", may_be_null=True)),
    ),
    EventType("session.disconnected", "The link went down; `reason` says why.", (_PHONE, *_REASON)),
    EventType("session.banned", "WhatsApp banned the number. The engine is stopped.", (_PHONE, *_REASON)),
    EventType("session.logged_out", "The device was unlinked. The engine is stopped.", (_PHONE, *_REASON)),
    EventType(
        "session.restricted",
        "WhatsApp took something from the account, such as writing to new people.",
        (_PID, _CODE, Field("reason_detail", _STRING, "What, in WhatsApp's words.")),
    ),
    EventType(
        "session.crashed",
        "The engine ended by itself, or was ended because it was of no use.",
        (*_EXIT, _ATTEMPT, Field("delay_s", _NUMBER, "After how many seconds it is started again."), _CODE, _DETAIL),
    ),
    EventType("session.restarted", "The engine was started again by itself.", (_PID, _ATTEMPT, _CODE)),
    EventType(
        "session.failed",
        "It cannot be started for now; a slow retry, or a person, goes on.",
        (*_EXIT, _ATTEMPT, *_REASON),
    ),
    EventType("session.stopped", "The engine has ended, and none is started by itself.", (*_EXIT, *_REASON)),
    EventType("session.deleted", "The session and its directory are gone."),
    EventType(
        HEARTBEAT,
        "Every `heartbeat_s` of each connected session. Never stored, never sent again.",
        (
            Field("status", _STRING, "The status now."),
            Field("last_seen_at", _TIME, "The engine's last sign of life.", may_be_null=True),
            Field("rss_bytes", _INTEGER, "The memory of its processes.", may_be_null=True),
        ),
    ),
)
_MESSAGES: Final = (
    EventType("message.sent", "WhatsApp has the message: told once, by the first proof.", _MESSAGE),
    EventType("message.delivered", "It reached the recipient's device.", _MESSAGE),
    EventType("message.read", "The recipient has read it.", _MESSAGE),
    EventType(
        "message.failed",
        "It ended otherwise: `failed`, `bounced`, `expired`, `unknown`, or `cancelled` by us.",
        _MESSAGE,
    ),
    EventType("batch.progress", "How far a batch is, at most every `batch_progress_s`.", _BATCH),
    EventType("batch.completed", "All messages of a batch have ended.", _BATCH),
    EventType(
        "contact.opted_out",
        "A person wants no more messages; what waits for him is cancelled.",
        (Field("from", _STRING, "His chat."), Field("keyword", _STRING, "What he wrote.")),
    ),
    EventType(
        "queue.held",
        "A session's messages stopped for a reason that a person should look at.",
        (
            Field("hold", _STRING, "A code of [reasons.md](reasons.md#holds)."),
            Field("waiting", _INTEGER, "How many messages wait."),
        ),
    ),
)
_DATA = (Field("data", _OBJECT, "What the engine said, unchanged."),)
_OF_ENGINES: Final[Mapping[str, str]] = {
    "message.received": "Somebody wrote.",
    "message.revoked": "A message was deleted for everybody.",
    "message.reaction": "Somebody reacted to a message.",
    "message.edited": "A message was changed.",
    "status.received": "Somebody posted a status.",
    "presence.*": "Somebody types, is online, and so on.",
    "group.*": "A group changed.",
    "call.*": "Somebody calls.",
}
_DAEMON: Final = (
    EventType("manager.started", "The daemon listens.", (_HEAD,)),
    EventType("manager.stopping", "The daemon ends; engines go on."),
    EventType(
        "manager.recovered",
        "The registry was lost or is an older copy, and was completed from what is there.",
        (
            Field("why", _STRING, "What became of it."),
            Field("restored_from", _STRING, "The copy that was put in its place.", may_be_null=True),
            Field("lost_since", _TIME, "What was recorded after that is lost.", may_be_null=True),
            Field("adopted", _INTEGER, "Sessions whose live engine was taken over."),
            Field("resting", _INTEGER, "Sessions that were found without an engine."),
        ),
    ),
    EventType(
        "audit.head", "Once a day.", (_HEAD, Field("audit_seq", _INTEGER, "The number of the row that it is of."))
    ),
    EventType(
        "host.slept", "The host slept, or the daemon was frozen.", (Field("slept_s", _NUMBER, "For how many seconds."),)
    ),
    EventType(
        "delivery.dead_lettered",
        "An endpoint does not take an event, which is kept for a replay.",
        (
            Field("event_id", _STRING, "The event."),
            Field("event_type", _STRING, "Its type."),
            Field("event_seq", _INTEGER, "Its number in its session.", may_be_null=True),
            Field("endpoint_id", _STRING, "The endpoint."),
            Field("attempts", _INTEGER, "How often it was tried."),
            Field("reason", _STRING, "Why it was given up."),
            Field("last_status", _INTEGER, "What the endpoint answered last.", may_be_null=True),
            Field("last_error", _STRING, "Why it did not answer.", may_be_null=True),
        ),
    ),
    EventType(
        "endpoint.test", "Somebody tests an endpoint; only that one is told.", (Field("endpoint_id", _STRING, "It."),)
    ),
)

#: All of them, by what they are about.
CHAPTERS: Final[Mapping[str, Sequence[EventType]]] = {
    "Sessions": _SESSION,
    "Messages": _MESSAGES,
    "Handed on from the engine": [EventType(name, _OF_ENGINES[name], _DATA) for name in PASSED_THROUGH],
    "The daemon and its host": _DAEMON,
}
#: Each by its name.
EVENT_TYPES: Final[Mapping[str, EventType]] = {each.name: each for each in chain.from_iterable(CHAPTERS.values())}
