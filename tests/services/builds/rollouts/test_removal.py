"""A build that is being removed is not chosen, and one that is being chosen is not removed."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from openwa_manager.domain.errors import ConflictError
from tests.services.builds.rollouts.conftest import NEW, OTHER, Bench


@pytest.mark.parametrize("is_removed_first", [True, False])
async def test_one_of_use_and_remove_is_refused(bench: Bench, *, is_removed_first: bool) -> None:
    calls: list[Callable[[], Awaitable[object]]] = [
        partial(bench.removal.remove, NEW),
        partial(bench.rollouts.start, NEW, None, 1),
    ]

    async def refusal(call: Callable[[], Awaitable[object]]) -> ConflictError | None:
        try:
            await call()
        except ConflictError as error:
            return error
        return None

    async with asyncio.TaskGroup() as tasks:
        asked = {each: tasks.create_task(refusal(each)) for each in (calls if is_removed_first else calls[::-1])}

    removed, begun = (asked[each].result() for each in calls)
    assert [each is None for each in (removed, begun)].count(True) == 1
    is_there = bench.world.builds.catalog.find(NEW) is not None
    assert is_there == (removed is not None)


async def test_a_build_that_leaves_is_not_chosen_nor_the_other_way_round(bench: Bench) -> None:
    catalog = bench.world.builds.catalog

    with catalog.leaving(NEW):
        assert not catalog.is_usable(NEW)
        with pytest.raises(ConflictError, match="being removed"), catalog.chosen(NEW):
            pass
        with pytest.raises(ConflictError):
            await bench.removal.remove(NEW)
    with catalog.chosen(NEW), pytest.raises(ConflictError):
        await bench.removal.remove(NEW)
    await bench.removal.remove(NEW)

    assert [each.name for each in catalog] == [OTHER]
