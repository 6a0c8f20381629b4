"""When a session's directory is looked at before a restart."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from openwa_manager.domain.errors import OwnedElsewhereError
from openwa_manager.domain.session.restart import Policy, RestartPolicy
from openwa_manager.domain.session.session import LAUNCH_ID_VARIABLE, ProcessState, Restarts
from openwa_manager.services.starting.dependencies import Dependencies
from openwa_manager.services.starting.directory_check import DirectoryCheck
from tests.domain.session.driver import a_session, an_identity
from tests.fakes.clock import FakeClock
from tests.fakes.process import ending


@contextmanager
def engine_in(dependencies: Dependencies) -> Iterator[None]:
    """Run what another daemon launched, in the session's directory."""
    environ = {"PATH": os.environ["PATH"], LAUNCH_ID_VARIABLE: "another"}
    program = [sys.executable, "-c", "import signal; signal.pause()"]
    directory = dependencies.directory(a_session().session_id)
    with ending(subprocess.Popen(program, cwd=directory, env=environ)) as process:
        yield
        process.kill()


@pytest.fixture
async def looked_ahead(dependencies: Dependencies) -> DirectoryCheck:
    """Make a check that has looked into the empty directory, 0.15 s before a pause of 2 s is over."""
    clock = dependencies.clock
    assert isinstance(clock, FakeClock)
    dependencies.directory(a_session().session_id).mkdir(parents=True)
    restarts = Restarts(next_at=clock.now().at + 2.0)
    waiting = replace(a_session(), process=ProcessState.BACKOFF, restarts=restarts)
    check = DirectoryCheck(dependencies, lambda: waiting)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(check.look_ahead(tasks))
        await clock.until_sleeping()
        await clock.advance(1.85)
    return check


async def test_a_look_in_the_pause_before_a_restart_spares_the_restart_one(
    looked_ahead: DirectoryCheck, dependencies: Dependencies
) -> None:
    with engine_in(dependencies):
        await looked_ahead.find_own_now(1)


async def test_a_look_counts_once(looked_ahead: DirectoryCheck, dependencies: Dependencies) -> None:
    await looked_ahead.find_own_now(1)

    with engine_in(dependencies), pytest.raises(OwnedElsewhereError):
        await looked_ahead.find_own_now(1)


async def test_a_look_that_is_too_old_is_taken_again(looked_ahead: DirectoryCheck, dependencies: Dependencies) -> None:
    clock = dependencies.clock
    assert isinstance(clock, FakeClock)
    await clock.advance(0.6)

    with engine_in(dependencies), pytest.raises(OwnedElsewhereError):
        await looked_ahead.find_own_now(1)


async def test_a_look_begun_while_a_launch_is_recorded_counts_for_it(dependencies: Dependencies) -> None:
    dependencies.directory(a_session().session_id).mkdir(parents=True)
    check = DirectoryCheck(dependencies, a_session)
    async with asyncio.TaskGroup() as tasks:
        check.begin(7, tasks)

    with engine_in(dependencies):
        await check.find_own_now(7)


async def test_a_look_for_an_earlier_launch_does_not_count(dependencies: Dependencies) -> None:
    dependencies.directory(a_session().session_id).mkdir(parents=True)
    check = DirectoryCheck(dependencies, a_session)
    async with asyncio.TaskGroup() as tasks:
        check.begin(7, tasks)

    with engine_in(dependencies), pytest.raises(OwnedElsewhereError):
        await check.find_own_now(8)


async def test_a_look_that_found_somebody_is_taken_again(dependencies: Dependencies) -> None:
    dependencies.directory(a_session().session_id).mkdir(parents=True)
    check = DirectoryCheck(dependencies, a_session)
    with engine_in(dependencies):
        async with asyncio.TaskGroup() as tasks:
            check.begin(7, tasks)
        with pytest.raises(OwnedElsewhereError):
            await check.find_own_now(7)
        async with asyncio.TaskGroup() as tasks:
            check.begin(7, tasks)

    await check.find_own_now(7)


def check_under(dependencies: Dependencies, backoff_first_s: float) -> DirectoryCheck:
    policy = Policy(restart=RestartPolicy(backoff_first_s=backoff_first_s))
    return DirectoryCheck(replace(dependencies, policy=policy), a_session)


@pytest.fixture
def left_nothing(dependencies: Dependencies, monkeypatch: pytest.MonkeyPatch) -> DirectoryCheck:
    """Make a check whose engine has just ended, and is known to have left nobody; it is started again at once."""
    dependencies.directory(a_session().session_id).mkdir(parents=True)
    monkeypatch.setattr(dependencies.launcher, "left_nothing", lambda *_: True)
    return check_under(dependencies, backoff_first_s=0.0)


async def test_a_launch_right_after_the_end_of_an_engine_that_left_nobody_needs_no_look(
    left_nothing: DirectoryCheck, dependencies: Dependencies
) -> None:
    left_nothing.note_end(an_identity())

    with engine_in(dependencies):
        async with asyncio.TaskGroup() as tasks:
            left_nothing.begin(1, tasks)
        assert await left_nothing.find_own_now(1) is None
        with pytest.raises(OwnedElsewhereError):
            await left_nothing.find_own_now(1)


async def test_one_that_follows_later_needs_one(left_nothing: DirectoryCheck, dependencies: Dependencies) -> None:
    clock = dependencies.clock
    assert isinstance(clock, FakeClock)
    left_nothing.note_end(an_identity())

    await clock.advance(0.1)

    with engine_in(dependencies), pytest.raises(OwnedElsewhereError):
        await left_nothing.find_own_now(1)


async def test_one_after_an_engine_that_may_have_left_somebody_needs_one(
    left_nothing: DirectoryCheck, dependencies: Dependencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dependencies.launcher, "left_nothing", lambda *_: False)
    left_nothing.note_end(an_identity())

    with engine_in(dependencies), pytest.raises(OwnedElsewhereError):
        await left_nothing.find_own_now(1)


async def test_where_a_pause_follows_nobody_asks_what_an_engine_has_left(
    dependencies: Dependencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(dependencies.launcher, "left_nothing", lambda *whose: asked.append(whose))

    check_under(dependencies, backoff_first_s=1.0).note_end(an_identity())
    assert asked == []
    check_under(dependencies, backoff_first_s=0.0).note_end(an_identity())
    assert len(asked) == 1
