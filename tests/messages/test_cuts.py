"""A daemon that ends between any two steps of a message's way: the next one goes on, and nothing is sent twice."""

import asyncio
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from openwa_manager.domain.messaging.messages import OPEN, Message, MessageStatus
from tests.fakes.clock import FakeClock
from tests.messages.lives import Cut, Place, TrueEngine, life

TEXTS = ("plain 1", "busy 1", "lost 1", "no 1", "plain 2")
#: Longer than all pauses between the questions about one message.
_ENOUGH_S = 20.0
_GAP_S = 1.2
_SENT = frozenset({MessageStatus.SENT, MessageStatus.DELIVERED, MessageStatus.READ})


async def end_at(path: Path, engine: TrueEngine, cut: Cut) -> list[Message]:
    """Live until the cut, then once more to the end, the caller repeating what it was not answered; return all."""
    async with life(path, engine, cut) as first:
        await first.hand_over(TEXTS)
        await first.pass_s(_ENOUGH_S)
    async with life(path, engine, Cut()) as second:
        await second.hand_over(TEXTS)
        await second.pass_s(_ENOUGH_S)
        return await second.messages()


def faults(messages: list[Message], engine: TrueEngine, cut: Cut) -> list[str]:
    """Return what must not be."""
    sent = Counter(text for _, text in engine.books)
    by_text = {str(message.origin.reference): message for message in messages}
    found = [f"{text} was sent {count} times" for text, count in sent.items() if count > 1]
    found += [f"{text} is lost" for text in TEXTS if text not in by_text]
    found += [f"{text} is {each.status}" for text, each in by_text.items() if each.status in OPEN]
    for text, message in by_text.items():
        is_known = message.status in _SENT
        if is_known != bool(sent[text]) and message.status is not MessageStatus.UNKNOWN:
            found.append(f"{text} is {message.status}, and was sent {sent[text]} times")
    unknown = [text for text, message in by_text.items() if message.status is MessageStatus.UNKNOWN]
    if engine.version >= "0.25":
        unknown = [text for text in unknown if text != "no 1"]  # a refusal of the question proves nothing
    allowed = 0 if engine.version >= "0.25" else 1 + bool(cut.reached.is_set())  # what is lost, and what was cut off
    found += [f"unknown: {unknown}"] if len(unknown) > allowed else []
    apart_s = [latter - former for (former, _), (latter, _) in pairwise(engine.books)]
    return found + [f"{each:.3f} s apart" for each in apart_s if each < _GAP_S - 0.001]


@pytest.mark.parametrize("version", ["0.23.0", "0.25.0"])
@pytest.mark.parametrize("place", Place)
def test_a_daemon_that_ends_anywhere_sends_nothing_twice_and_loses_nothing(
    tmp_path: Path, place: Place, version: str
) -> None:
    found: dict[int, list[str]] = {}
    for number in range(1, 100):
        engine = TrueEngine(clock=FakeClock(), version=version)
        cut = Cut(place, number)
        messages = asyncio.run(end_at(tmp_path / f"{number}.db", engine, cut))
        if not cut.reached.is_set():
            break
        if wrong := faults(messages, engine, cut):
            found[number] = wrong

    assert number > len(TEXTS) - 1  # there were places to end at
    assert not found, found
