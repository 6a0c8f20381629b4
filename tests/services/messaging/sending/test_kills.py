"""The daemon is killed at any point of a message's way, again and again: nothing is lost, nothing is sent twice."""

import random
from collections import Counter
from pathlib import Path

import pytest

from openwa_manager.domain.messaging.messages import FINAL, PROGRESS, Message, MessageStatus
from openwa_manager.domain.messaging.outcomes import Answered, NoAnswer, NotReached, SendAnswer
from openwa_manager.services.messaging.sending.queues import Queues
from openwa_manager.store.messaging.messages import MessageFilter, read_messages
from tests.fakes.clock import settle
from tests.services.messaging.sending.queue_setup import NOW, Asked, Rig, rig, running
from tests.store.messaging.samples import SESSION, new_message

#: What an engine may do with a request that it has not seen: whether WhatsApp gets it, and what the caller hears.
FATES: list[tuple[bool, SendAnswer]] = [
    (True, Answered(http_status=201, message_id="id")),
    (True, Answered(http_status=201, message_id="id")),
    (True, NoAnswer(detail="the line broke")),
    (True, Answered(http_status=500)),
    (False, NoAnswer(detail="the line broke")),
    (False, Answered(http_status=500)),
    (False, Answered(http_status=503, retry_after_s=2.0)),
    (False, Answered(http_status=429, retry_after_s=3.0)),
    (False, NotReached(detail="nobody listens")),
]


class World:
    """What WhatsApp really got, through an engine that remembers keys or not."""

    def __init__(self, chance: random.Random, *, keeps_keys: bool) -> None:
        self._chance = chance
        self._keeps_keys = keeps_keys
        self._known: dict[str, SendAnswer] = {}
        self.got = Counter[str]()

    def answer(self, asked: Asked) -> SendAnswer:
        """Answer as the official OpenWA does: a key that is known is answered again, and sent no more."""
        if self._keeps_keys and asked.key is not None and asked.key in self._known:
            return self._known[asked.key]
        was_sent, answer = self._chance.choice(FATES)
        self.got[asked.text] += was_sent
        if self._keeps_keys and asked.key is not None and was_sent:
            self._known[asked.key] = Answered(http_status=201, message_id=f"id-{asked.text}")
        return answer


async def live_a_while(made: Rig, chance: random.Random) -> None:
    """Let a daemon run, and kill it in the midst of whatever it does."""
    made.queues = Queues(made.parts)
    async with running(made):
        for _ in range(chance.randrange(1, 40)):
            if chance.random() < 0.3:
                await made.clock.advance(chance.choice((0.5, 2.0, 30.0)))
            else:
                for _ in range(chance.randrange(3)):
                    await made.database.read(lambda _: None)
                await settle()
    await made.database.write(lambda _: None)  # the database outlives this daemon: what it was writing is written


async def finish(made: Rig) -> list[Message]:
    """Let a last daemon run until everything has ended."""
    made.queues = Queues(made.parts)
    async with running(made):
        for _ in range(400):
            await made.pass_s(10.0, step_s=10.0)
            found = await made.records.read(lambda c: read_messages(c, SESSION, MessageFilter(), limit=100))
            if all(each.status in FINAL for each in found):
                return found
    raise AssertionError([each.status for each in found])


@pytest.mark.parametrize("keeps_keys", [False, True])
@pytest.mark.parametrize("seed", range(8))
async def test_every_message_ends_once_and_is_sent_once_at_most(tmp_path: Path, seed: int, *, keeps_keys: bool) -> None:
    chance = random.Random(seed)  # noqa: S311 (a test that can be repeated)
    async with rig(tmp_path, gap_s=1.5, runs=False) as made:
        world = World(chance, keeps_keys=keeps_keys)
        made.engine.answer, made.engine.version = world.answer, "0.25.0" if keeps_keys else "0.23.0"
        made.engine.send_s = 0.5
        for number in range(8):
            await made.keep(new_message(text=f"m{number}", at=NOW, expires_at=NOW + 80_000))

        for _ in range(10):
            await live_a_while(made, chance)
        ended = await finish(made)

    assert len(ended) == 8
    for message in ended:
        got = world.got[f"m{message.seq - 1}"]
        assert got <= 1
        assert (message.status in PROGRESS) <= (got == 1)
        assert (message.status is MessageStatus.FAILED) <= (got == 0)
