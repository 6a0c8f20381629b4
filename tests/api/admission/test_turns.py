import asyncio
from itertools import pairwise

from openwa_manager.api.admission.turns import StrangerTurns


async def test_strangers_go_on_one_by_one_however_many_ask_at_once() -> None:
    turns, gone = StrangerTurns(), list[int]()

    async def ask(number: int) -> None:
        await turns.take()
        gone.append(number)

    async with asyncio.TaskGroup() as strangers:
        for number in range(50):
            strangers.create_task(ask(number))
        counts = [0]
        async with asyncio.timeout(30):
            while len(gone) < 50:
                await asyncio.sleep(0)
                counts.append(len(gone))

    assert gone == [*range(50)]
    assert max(after - before for before, after in pairwise(counts)) == 1


async def test_who_hangs_up_takes_no_turn_from_others() -> None:
    turns = StrangerTurns()
    await turns.take()

    async with asyncio.timeout(30), asyncio.TaskGroup() as strangers:
        first, second = (strangers.create_task(turns.take()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()

    assert first.cancelled()
    assert second.done()
