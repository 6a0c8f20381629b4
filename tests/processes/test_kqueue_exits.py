"""How exits are learnt of on macOS, on a queue by XNU's rules and with real processes; on a Mac see `test_exits.py`."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

from openwa_manager.domain.session.session import Exit, Identity
from openwa_manager.host.clock import SystemClock
from openwa_manager.host.kernel.queue import EV_ONESHOT, EVFILT_PROC, NOTE_EXIT, NOTE_EXITSTATUS, KernelQueue
from openwa_manager.processes.exits.exit_watcher import ExitWatcher
from openwa_manager.processes.exits.kqueue import KqueueExits
from openwa_manager.processes.reading.identity import identity_of, live_identity_of
from tests.fakes.clock import FakeClock, settle
from tests.fakes.file_limit import files_left
from tests.fakes.kqueue.events import kevent
from tests.fakes.kqueue.queue import FakeKqueue
from tests.fakes.polling import PATIENCE_S, until
from tests.fakes.process import ending
from tests.processes.conftest import Stage

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the real queue is there")

#: Longer than what passes between two looks at a process that is about to end.
SOME_LOOKS_S = 0.05


@pytest.fixture
async def queue() -> AsyncIterator[FakeKqueue]:
    queue = FakeKqueue()
    yield queue
    queue.close()


@pytest.fixture
async def exits(queue: FakeKqueue) -> AsyncIterator[ExitWatcher]:
    exits = ExitWatcher(SystemClock(), KqueueExits(KernelQueue(queue, kevent)))
    yield exits
    exits.close()


class Doomed:
    """A process of ours that ends when it is told to, in the way it was started for."""

    def __init__(self, process: "subprocess.Popen[str]", how: Exit) -> None:
        identity = live_identity_of(process.pid)
        assert identity is not None
        self.pid, self.identity, self.how, self._process = process.pid, identity, how, process

    @property
    def status(self) -> int:
        """The wait status it will have."""
        return self.how.signal or (self.how.exit_code or 0) << 8

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def until_zombie(self) -> None:
        await until(lambda: live_identity_of(self.pid) is None)


@contextmanager
def doomed(how: Exit) -> Iterator[Doomed]:
    last = f"kill -{how.signal} $$" if how.signal else f"exit {how.exit_code}"
    program = ("sh", "-c", f"read line; {last}")
    with ending(subprocess.Popen(program, stdin=subprocess.PIPE, text=True)) as process:
        yield Doomed(process, how)


async def passing_looks(end: "asyncio.Future[Exit]") -> bool:
    """Let some looks pass; tell whether the process was said to have ended."""
    with suppress(TimeoutError):
        await until(end.done, within_s=SOME_LOOKS_S)
    return end.done()


WAYS = [Exit(exit_code=0), Exit(exit_code=7), Exit(exit_code=255), Exit(signal=signal.SIGABRT)]


@pytest.mark.parametrize("how", WAYS, ids=str)
async def test_a_child_that_ends_is_reaped_and_how_it_ended_is_known(exits: ExitWatcher, how: Exit) -> None:
    with doomed(how) as child:
        end = exits.watch(child.identity)

        child.end()
        await until(end.done)

        assert end.result() == how
        assert identity_of(child.pid) is None


@pytest.mark.parametrize("how", WAYS, ids=str)
async def test_an_exit_that_is_announced_before_the_zombie_is_awaited(
    exits: ExitWatcher, queue: FakeKqueue, how: Exit
) -> None:
    with doomed(how) as child:
        end = exits.watch(child.identity)

        queue.processes.post_exit(child.pid, child.status)
        is_said_early = await passing_looks(end)
        child.end()
        await until(end.done)

        assert not is_said_early
        assert end.result() == how
        assert identity_of(child.pid) is None  # and no zombie is left


async def test_who_asks_while_a_process_exits_waits_for_its_end(exits: ExitWatcher, queue: FakeKqueue) -> None:
    with doomed(Exit(exit_code=3)) as child:
        exits.watch(child.identity)
        queue.processes.post_exit(child.pid, child.status)
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(exits.wait(child.identity))
            await settle()
            is_said_early = waiting.done()

            child.end()

        assert not is_said_early
        assert waiting.result() == Exit(exit_code=3)


async def test_a_process_that_is_watched_only_once_it_exits_is_not_dead_yet(
    exits: ExitWatcher, queue: FakeKqueue
) -> None:
    with doomed(Exit(exit_code=7)) as child:
        queue.processes.start_exit(child.pid)

        end = exits.watch(child.identity)
        is_said_early = await passing_looks(end)
        child.end()
        await until(end.done)

        assert not is_said_early
        assert end.result() == Exit(exit_code=7)
        assert identity_of(child.pid) is None


async def test_a_zombie_of_ours_is_reaped_when_it_is_watched(exits: ExitWatcher) -> None:
    with doomed(Exit(exit_code=7)) as child:
        child.end()
        await child.until_zombie()

        end = exits.watch(child.identity)
        await until(end.done)

        assert end.result() == Exit(exit_code=7)


async def test_of_a_process_that_is_gone_nothing_is_known(exits: ExitWatcher) -> None:
    with doomed(Exit(exit_code=7)) as child:
        child.end()

    assert exits.watch(child.identity).result() == Exit()


ON_COMMAND = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]); tell(); signal.sigwait([signal.SIGUSR1])"


async def adopted(stage: Stage, last: str) -> Identity:
    """Start a process that is not our child, and ends on SIGUSR1."""
    identity = stage.orphan(f"{ON_COMMAND}; {last}")
    await stage.told()
    return identity


async def test_how_an_adopted_process_ends_is_what_the_kernel_said_and_told_once_it_is_dead(
    exits: ExitWatcher, queue: FakeKqueue, stage: Stage
) -> None:
    identity = await adopted(stage, "sys.exit(7)")
    end = exits.watch(identity)

    queue.processes.post_exit(identity.pid, 7 << 8)
    is_said_early = await passing_looks(end)
    os.kill(identity.pid, signal.SIGUSR1)
    await until(end.done)

    assert not is_said_early
    assert end.result() == Exit(exit_code=7)
    assert live_identity_of(identity.pid) is None


async def test_what_the_kernel_said_counts_also_if_it_was_not_read_yet(
    exits: ExitWatcher, queue: FakeKqueue, stage: Stage
) -> None:
    identity = await adopted(stage, "sys.exit(7)")
    exits.watch(identity)

    queue.processes.post_exit(identity.pid, 7 << 8)
    os.kill(identity.pid, signal.SIGUSR1)
    subprocess.run(["sh", "-c", f"while kill -0 {identity.pid}; do :; done"], check=True, timeout=20)

    assert await exits.wait(identity) == Exit(exit_code=7)


async def test_an_adopted_process_that_is_watched_only_once_it_exits_is_dead_when_it_no_longer_lives(
    exits: ExitWatcher, queue: FakeKqueue, stage: Stage
) -> None:
    identity = await adopted(stage, "sys.exit(7)")
    queue.processes.start_exit(identity.pid)

    end = exits.watch(identity)
    is_said_early = await passing_looks(end)
    os.kill(identity.pid, signal.SIGUSR1)
    await until(end.done)

    assert not is_said_early
    assert end.result() == Exit()  # only its parent knows how


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.EMFILE, errno.EACCES])
async def test_the_sweep_finds_the_end_of_a_process_that_the_kernel_will_not_watch(
    queue: FakeKqueue, number: int
) -> None:
    clock = FakeClock()
    exits = ExitWatcher(clock, KqueueExits(KernelQueue(queue, kevent)))
    with doomed(Exit(exit_code=7)) as child:
        async with asyncio.TaskGroup() as tasks:
            sweep = tasks.create_task(exits.run())
            queue.refuse_next(number)
            end = exits.watch(child.identity)
            child.end()
            await child.until_zombie()
            is_said_early = await passing_looks(end)

            await clock.advance(30)

            sweep.cancel()

    assert not is_said_early
    assert end.result() == Exit(exit_code=7)
    exits.close()


async def test_the_sweep_finds_the_end_of_a_process_that_could_not_be_looked_at(queue: FakeKqueue) -> None:
    clock = FakeClock()
    exits = ExitWatcher(clock, KqueueExits(KernelQueue(queue, kevent)))
    with doomed(Exit(exit_code=7)) as child:
        async with asyncio.TaskGroup() as tasks:
            sweep = tasks.create_task(exits.run())
            await settle()
            with files_left(0):
                end = exits.watch(child.identity)
            child.end()
            await child.until_zombie()

            await clock.advance(30)
            await until(end.done)

            sweep.cancel()

    assert end.result() == Exit(exit_code=7)
    exits.close()


async def test_who_cannot_be_looked_at_for_a_while_is_looked_at_again(
    exits: ExitWatcher, queue: FakeKqueue, stage: Stage
) -> None:
    troubles: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, trouble: troubles.append(trouble))
    identity = await adopted(stage, "sys.exit(7)")
    end = exits.watch(identity)

    queue.processes.post_exit(identity.pid, 7 << 8)
    await until(lambda: identity.pid not in queue.processes.registered)  # it was read
    with files_left(0):
        is_said_early = await passing_looks(end)
    os.kill(identity.pid, signal.SIGUSR1)
    await until(end.done)

    assert troubles == []
    assert not is_said_early
    assert end.result() == Exit(exit_code=7)


async def test_a_process_of_another_user_is_watched_by_the_sweep(
    exits: ExitWatcher, queue: FakeKqueue, stage: Stage
) -> None:
    identity = await adopted(stage, "sys.exit(7)")
    queue.processes.hide(identity.pid)

    end = exits.watch(identity)
    os.kill(identity.pid, signal.SIGUSR1)
    await until(lambda: live_identity_of(identity.pid) is None)

    assert await exits.wait(identity) == end.result() == Exit()


async def test_one_who_asks_for_an_earlier_process_of_this_number_takes_nothing_from_the_present_one(
    exits: ExitWatcher,
) -> None:
    with doomed(Exit(exit_code=7)) as child:
        end = exits.watch(child.identity)
        earlier = replace(child.identity, started=child.identity.started - 1)

        assert await exits.wait(earlier) == Exit()
        child.end()
        await until(end.done)

        assert end.result() == Exit(exit_code=7)


async def test_the_exit_of_an_earlier_process_of_this_number_that_is_not_read_yet_is_not_taken_for_this_one_s(
    exits: ExitWatcher, queue: FakeKqueue, stage: Stage
) -> None:
    """The kernel finds who is registered by the number: the unread event would be the answer for the next one."""
    identity = await adopted(stage, "sys.exit(7)")
    KernelQueue(queue, kevent).add(identity.pid, EVFILT_PROC, EV_ONESHOT, NOTE_EXIT | NOTE_EXITSTATUS)
    queue.processes.post_exit(identity.pid, signal.SIGKILL)
    queue.processes.forget_exit(identity.pid)

    end = exits.watch(identity)
    queue.processes.post_exit(identity.pid, 7 << 8)
    os.kill(identity.pid, signal.SIGUSR1)
    await until(end.done)

    assert end.result() == Exit(exit_code=7)


async def test_closing_ends_the_looks_at_a_process_that_is_about_to_end(queue: FakeKqueue) -> None:
    exits = ExitWatcher(SystemClock(), KqueueExits(KernelQueue(queue, kevent)))
    with doomed(Exit(exit_code=7)) as child:
        end = exits.watch(child.identity)
        queue.processes.post_exit(child.pid, child.status)
        await passing_looks(end)

        exits.close()
        child.end()
        await child.until_zombie()

        assert not await passing_looks(end)
        assert identity_of(child.pid) == child.identity  # which nobody has reaped
    assert queue.is_closed


async def test_who_has_ended_is_looked_at_no_more(exits: ExitWatcher, queue: FakeKqueue) -> None:
    with doomed(Exit(exit_code=7)) as first, doomed(Exit(exit_code=8)) as second:
        ends = {child: exits.watch(child.identity) for child in (first, second)}
        for child in ends:
            queue.processes.post_exit(child.pid, child.status)
        await passing_looks(ends[first])

        first.end()
        await until(ends[first].done)
        is_said_early = ends[second].done()
        second.end()
        await until(ends[second].done)

        assert not is_said_early
        assert [end.result().exit_code for end in ends.values()] == [7, 8]
    assert queue.processes.registered == set()


async def test_the_longer_an_exit_takes_the_seldomer_it_is_looked_at(queue: FakeKqueue) -> None:
    """An exit that hangs on a dead disk must not keep the loop busy; one that begins then is looked at as soon."""
    source = KqueueExits(KernelQueue(queue, kevent))
    with doomed(Exit(exit_code=7)) as hung, doomed(Exit(exit_code=8)) as prompt:
        loop, looks, first_look = asyncio.get_running_loop(), 0, asyncio.Event()

        def look() -> None:
            nonlocal looks
            looks += 1

        source.watch(hung.identity, look)
        source.watch(prompt.identity, first_look.set)
        queue.processes.post_exit(hung.pid, hung.status)
        begun_s = loop.time()
        await until(lambda: looks >= 25)
        took_s = loop.time() - begun_s
        queue.processes.post_exit(prompt.pid, prompt.status)
        async with asyncio.timeout(PATIENCE_S):
            await first_look.wait()

    assert took_s > 0.8  # without longer pauses a quarter of a second
    source.close()
