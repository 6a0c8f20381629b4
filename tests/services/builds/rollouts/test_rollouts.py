"""Roll-outs keep what they say, whatever callers and sessions do meanwhile."""

import asyncio
from dataclasses import replace

import pytest

from openwa_manager.domain.builds.builds import HOME_BUILD
from openwa_manager.domain.builds.rollouts import MoveState, RolloutState
from openwa_manager.domain.errors import BuildNotFoundError, ConflictError
from openwa_manager.domain.session.session import Status
from openwa_manager.services.builds.moving import RolloutPatience
from openwa_manager.store.builds.rollouts import KEPT
from tests.services.builds.rollouts.conftest import NEW, OTHER, Bench


async def test_a_caller_who_hangs_up_leaves_a_whole_roll_out(bench: Bench) -> None:
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(bench.rollouts.start(NEW, None, 1))
        await asyncio.sleep(0)  # it waits for the disk now
        asking.cancel()
    with pytest.raises(ConflictError, match="under way"):
        await bench.rollouts.start(OTHER, None, 1)

    begun = await bench.newest()

    assert asking.cancelled()
    assert (await bench.until_over(begun)).state is RolloutState.DONE
    assert bench.world.builds.catalog.default.name == NEW
    assert (await bench.until_over(await bench.rollouts.start(OTHER, None, 1))).state is RolloutState.DONE


async def test_a_session_that_was_started_meanwhile_goes_back_too(bench: Bench) -> None:
    await bench.connect("a", "b", "c")
    begun = await bench.rollouts.start(NEW, None, 3)
    await bench.world.requests.stop("b")
    await bench.until_moved(begun, "b")
    await bench.world.requests.start("b")
    await bench.until_status("b", Status.CONNECTED)
    assert bench.builds()["b"] == NEW

    await bench.rollouts.cancel(begun.rollout_id)

    assert (await bench.until_over(begun)).state is RolloutState.ROLLED_BACK
    assert bench.builds() == dict.fromkeys("abc", HOME_BUILD)


async def test_a_session_that_is_pinned_meanwhile_is_left_alone(bench: Bench) -> None:
    await bench.connect("a", "b")
    begun = await bench.rollouts.start(NEW, None, 1)
    launch_id = bench.launch_of("b")
    await bench.world.requests.change("b", lambda spec: replace(spec, build=HOME_BUILD))

    ended = await bench.until_over(begun)

    assert (ended.state, ended.moves[1].detail) == (RolloutState.DONE, "it pins openwa_home")
    assert bench.builds() == {"a": NEW, "b": HOME_BUILD}
    assert bench.launch_of("b") == launch_id


async def test_one_that_crashes_once_it_was_moved_takes_all_back(bench: Bench) -> None:
    await bench.connect("a", "b", "c")
    begun = await bench.rollouts.start(NEW, None, 2)
    await bench.until_moved(begun, "a")
    await bench.crash("a")

    ended = await bench.until_over(begun)

    assert ended.state is RolloutState.ROLLED_BACK
    assert str(ended.detail).startswith("a: it was connected and is ")
    assert bench.moves(begun)["c"] is MoveState.WAITING
    for each in "abc":
        await bench.until_status(each, Status.CONNECTED)
    assert bench.builds() == dict.fromkeys("abc", HOME_BUILD)


async def test_one_that_does_not_come_back_in_time_takes_all_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.connect("a", "b")
    monkeypatch.setattr(bench.rollouts, "_patience", RolloutPatience(back_within_s=1.5))
    await bench.world.requests.change("a", lambda spec: replace(spec, env={"SIM_OPEN_S": "60"}))

    ended = await bench.until_over(await bench.rollouts.start(NEW, ["a", "b"], 1))

    assert ended.state is RolloutState.ROLLED_BACK
    assert "a: it was connected and is " in str(ended.detail)
    assert " on 0.23.1 after 1.5 s" in str(ended.detail)
    assert bench.moves(ended)["b"] is MoveState.WAITING
    assert bench.builds() == dict.fromkeys("ab", HOME_BUILD)


async def test_no_more_roll_outs_are_kept_in_memory_than_on_disk(bench: Bench) -> None:
    first = await bench.until_over(await bench.rollouts.start(NEW, [], 1))
    for _ in range(KEPT):
        last = await bench.until_over(await bench.rollouts.start(NEW, [], 1))

    assert bench.rollouts.newest() == last
    with pytest.raises(BuildNotFoundError):
        bench.rollouts.get(first.rollout_id)


async def test_sessions_that_are_stopped_or_deleted_meanwhile_hold_nobody_up(bench: Bench) -> None:
    await bench.connect("a", "b", "c")
    begun = await bench.rollouts.start(NEW, None, 1)
    await bench.world.requests.stop("b")
    await bench.world.requests.delete("c", keep_data=False, log_out=False)

    ended = await bench.until_over(begun)

    assert ended.state is RolloutState.DONE
    assert bench.builds() == {"a": NEW, "b": None}


async def test_a_roll_out_of_no_session_sets_the_default_and_the_way_back_is_one_too(bench: Bench) -> None:
    states = [(await bench.until_over(await bench.rollouts.start(each, None, 1))).state for each in (NEW, HOME_BUILD)]

    assert states == [RolloutState.DONE, RolloutState.DONE]
    assert bench.world.builds.catalog.default == (HOME_BUILD, NEW)


async def test_it_is_called_off_once(bench: Bench) -> None:
    await bench.connect("a")
    begun = await bench.rollouts.start(NEW, None, 1)
    await bench.rollouts.cancel(begun.rollout_id)

    with pytest.raises(ConflictError):
        await bench.rollouts.cancel(begun.rollout_id)

    assert (await bench.until_over(begun)).state is RolloutState.ROLLED_BACK
    assert bench.builds() == {"a": HOME_BUILD}
