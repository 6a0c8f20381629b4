"""Magic numbers: a recipient's last four digits decide what becomes of a message to it (docs/openwa.md, Simulator)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

#: How far apart the acks of a message come.
ACK_STEP_S = 0.15
#: Numbers containing this are not on WhatsApp, as at the recordings.
UNREACHABLE = "999999"
#: The start of the ids behind which numbers that end so hide.
HIDDEN, _HIDDEN_PREFIX = "0018", "77"


class Refusal(StrEnum):
    """Why a message does not reach WhatsApp."""

    BLOCKED = "blocked"
    RESTRICTED = "restricted"
    THROTTLED = "throttled"
    PACED = "paced"
    BUSY_ONCE = "busy once"
    FAILED = "failed"


class Answering(StrEnum):
    """How the caller hears of a message that WhatsApp took."""

    GIVEN = "given"
    FAILED = "500"
    UNCONFIRMED = "503"
    NEVER = "never"
    LOST = "lost"
    AFTER_ACK = "after the first ack"


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """What becomes of messages to one recipient.

    `acks` are baileys' numbers, None for the usual ones; `ack_step_s` is the pause before each of them; `reply` is what
    the recipient writes back, None for nothing.
    """

    refusal: Refusal | None = None
    answering: Answering = Answering.GIVEN
    acks: tuple[int, ...] | None = None
    ack_step_s: float = ACK_STEP_S
    reply: str | None = None
    is_on_whatsapp: bool = True


_USUAL = Treatment()
_ABSENT = Treatment(acks=(0,), is_on_whatsapp=False)

#: By the last four digits of the recipient.
TREATMENTS: Mapping[str, Treatment] = {
    "0001": _ABSENT,
    "0002": Treatment(refusal=Refusal.BLOCKED),
    "0003": Treatment(refusal=Refusal.RESTRICTED),
    "0004": Treatment(refusal=Refusal.THROTTLED),
    "0005": Treatment(refusal=Refusal.PACED),
    "0006": Treatment(answering=Answering.FAILED),
    "0007": Treatment(refusal=Refusal.FAILED),
    "0008": Treatment(refusal=Refusal.BUSY_ONCE),
    "0009": Treatment(answering=Answering.UNCONFIRMED),
    "0010": Treatment(answering=Answering.NEVER),
    "0011": Treatment(answering=Answering.LOST),
    "0012": Treatment(acks=()),
    "0013": Treatment(answering=Answering.AFTER_ACK),
    "0014": Treatment(acks=(4, 3, 2)),
    "0015": Treatment(acks=(0,), ack_step_s=2.0),
    "0016": Treatment(reply="STOP"),
    "0017": Treatment(reply="Thank you"),
}


def digits_of(recipient: str) -> str:
    """Return the digits of a phone number or of a chat id's part before the `@`."""
    return "".join(character for character in recipient.partition("@")[0] if character in "0123456789")


def treatment_of(recipient: str) -> Treatment:
    """Return what becomes of messages to a number or chat id."""
    digits = digits_of(recipient)
    if UNREACHABLE in digits:
        return _ABSENT
    return TREATMENTS.get(digits[-4:], _USUAL)


def chat_of(digits: str) -> str:
    """Return the id under which WhatsApp knows a number: `…0018` hides behind a `@lid` (our invention)."""
    return f"{_HIDDEN_PREFIX}{digits}@lid" if digits.endswith(HIDDEN) else f"{digits}@c.us"


def phone_of(chat_id: str) -> str | None:
    """Return the number behind one of our `@lid` ids; None for every other id."""
    local, _, domain = chat_id.partition("@")
    is_ours = domain == "lid" and local.startswith(_HIDDEN_PREFIX) and local.endswith(HIDDEN)
    return local.removeprefix(_HIDDEN_PREFIX) if is_ours else None
