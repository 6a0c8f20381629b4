"""What a campaign hands over: who is written to, through which session, by which way in; the seed decides all of it."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from openwa_manager.domain.delivery.events import Json

#: Endings whose answers prove nothing: the engine fails, falls silent or hangs up, whether WhatsApp has it or not.
UNCERTAIN_ENDINGS = frozenset({"0006", "0007", "0009", "0010", "0011"})
#: Endings that WhatsApp takes first and refuses afterwards.
REFUSED_LATER_ENDINGS = frozenset({"0001", "0015"})
#: How many of a thousand messages go to each magic number: the slow ones are few.
_SHARES_PER_MILLE: Mapping[str, int] = {
    **{f"{number:04}": 12 for number in range(1, 19)},
    "0003": 2,
    "0004": 3,
    "0005": 3,
    "0008": 6,
    "0010": 3,
    "0016": 3,
}
_BATCH_SIZE = 40
_TWINS_PER_MILLE = 30


class WayIn(StrEnum):
    """How a message is handed over."""

    SINGLE = "single"
    BATCH = "batch"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One message that somebody wants sent once; `number` is international, without `+`."""

    session_id: str
    number: str
    text: str
    reference: str

    @property
    def ending(self) -> str:
        """Return the four digits that decide what becomes of it."""
        return self.number[-4:]

    def as_recipient(self) -> dict[str, Json]:
        """Return it as a part of a batch."""
        return {"to": f"+{self.number}", "text": self.text, "reference": self.reference}


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """One call, repeated under its key until it is answered; through the gateway it is made once."""

    way: WayIn
    session_id: str
    key: str
    messages: Sequence[Planned]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan:
    """A session, what its engine is like, and what is handed over to it, in order."""

    session_id: str
    engine_env: Mapping[str, str]
    calls: Sequence[HandOver]

    @property
    def messages(self) -> list[Planned]:
        """Return all of its messages."""
        return [message for call in self.calls for message in call.messages]


#: How often a message comes in each way.
WAYS: Mapping[WayIn, int] = {WayIn.SINGLE: 6, WayIn.BATCH: 2, WayIn.GATEWAY: 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """What a plan is like beside its size: how often each way in is used, and how long engines take for a message.

    `is_plain`: everybody is written to once, and nobody has a magic number.
    """

    ways: Mapping[WayIn, int] = field(default_factory=lambda: WAYS)
    send_s: Sequence[float] = (0.0, 0.02, 0.1)
    is_plain: bool = False


USUAL = Manners()


def plan_of(
    seed: int, session_count: int, message_count: int, name: str = "t", manners: Manners = USUAL
) -> list[SessionPlan]:
    """Return what so many sessions are to send; the same seed gives the same."""
    chance = random.Random(f"{seed} {name}")  # noqa: S311 (a run is to be repeatable)
    shares = [
        message_count // session_count + (number < message_count % session_count) for number in range(session_count)
    ]
    return [_session(chance, number, share, name, manners) for number, share in enumerate(shares)]


def _session(chance: random.Random, number: int, message_count: int, name: str, manners: Manners) -> SessionPlan:
    session_id = f"user_{name}{number}_session_{name}"
    numbers = iter(chance.sample(range(999), k=999))
    ending = _plain_ending if manners.is_plain else _ending
    messages = [_message(chance, session_id, index, next(numbers), ending) for index in range(message_count)]
    for index in range(1, 0 if manners.is_plain else message_count):
        if chance.randrange(1000) < _TWINS_PER_MILLE and messages[index - 1].ending > "0100":
            former = messages[index - 1]  # the same text to the same person again: both are wanted
            messages[index] = Planned(
                session_id=session_id,
                number=former.number,
                text=former.text,
                reference=f"{former.reference}-again",
            )
    return SessionPlan(
        session_id=session_id,
        engine_env=_engine_env(chance, number, manners),
        calls=_calls(chance, session_id, messages, manners),
    )


def _engine_env(chance: random.Random, number: int, manners: Manners) -> dict[str, str]:
    """Let every second engine keep keys, and of these every second know more than it said."""
    version = "0.25" if number % 2 else "0.23"
    replay = "answer" if number % 4 == 1 else "unknown"
    return {"SIM_VERSION": version, "SIM_REPLAY": replay, "SIM_SEND_S": str(chance.choice(manners.send_s))}


def _message(
    chance: random.Random, session_id: str, index: int, block: int, ending_of: Callable[[random.Random], str]
) -> Planned:
    ending = ending_of(chance)
    return Planned(
        session_id=session_id,
        number=f"8529{block:03}{ending}",
        text=f"{session_id} no. {index}: {chance.randrange(10**6)}",
        reference=f"{session_id}-{index}",
    )


def _ending(chance: random.Random) -> str:
    drawn = chance.randrange(1000)
    for ending, share in _SHARES_PER_MILLE.items():
        if drawn < share:
            return ending
        drawn -= share
    return _plain_ending(chance)


def _plain_ending(chance: random.Random) -> str:
    return str(chance.randrange(1000, 9999))


def _calls(chance: random.Random, session_id: str, messages: Sequence[Planned], manners: Manners) -> list[HandOver]:
    calls: list[HandOver] = []
    left = list(messages)
    while left:
        way = chance.choices([*manners.ways], weights=[*manners.ways.values()])[0]
        count = chance.randrange(2, _BATCH_SIZE) if way is WayIn.BATCH else 1
        taken, left = left[:count], left[count:]
        key = f"{session_id}-call-{len(calls)}"
        calls.append(HandOver(way=way, session_id=session_id, key=key, messages=taken))
    return calls
