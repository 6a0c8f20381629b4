import os
import signal
import sys
from collections.abc import Callable

import pytest

from openwa_manager.domain.session.session import SessionId
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.reading import procfs
from openwa_manager.processes.reading.identity import live_identity_of
from openwa_manager.processes.usage import UsageMeter
from tests.fakes.clock import FakeClock
from tests.processes.conftest import Stage

SESSION = SessionId("user_1")
SLEEPER = "tell(os.getpid()); wait_for_ever()"


async def test_a_tree_is_measured_as_a_whole(launcher: HostLauncher, stage: Stage, clock: FakeClock) -> None:
    program = (
        """
child = subprocess.Popen([sys.executable, "-c", "print(flush=True); import time; time.sleep(1000)"],
                         start_new_session=True, stdout=subprocess.PIPE)
child.stdout.readline()
"""
        + SLEEPER
    )
    identity = await launcher.launch(stage.python(program))
    await stage.told()

    usage = UsageMeter(clock).sample({SESSION: identity})[SESSION]

    assert usage.process_count == 2
    assert 2_000_000 < usage.rss_bytes < 200_000_000
    assert usage.cpu_percent == 0


async def test_processor_time_is_counted_between_samples(
    launcher: HostLauncher, stage: Stage, clock: FakeClock
) -> None:
    program = "tell(0)\nwhile time.process_time() < 0.3: pass\n" + SLEEPER
    identity = await launcher.launch(stage.python(program))
    await stage.told()
    meter = UsageMeter(clock)

    meter.sample({SESSION: identity})
    await stage.told()  # it has worked for 0.3 s of processor time in all, of which start-up was a part
    await clock.advance(1)
    busy = meter.sample({SESSION: identity})[SESSION]
    await clock.advance(1)
    idle = meter.sample({SESSION: identity})[SESSION]

    assert 1 < busy.cpu_percent <= 40
    assert busy.cpu_s == pytest.approx(busy.cpu_percent / 100)
    assert idle.cpu_percent <= 2


async def test_without_time_between_samples_nothing_is_counted(
    launcher: HostLauncher, stage: Stage, clock: FakeClock
) -> None:
    identity = await launcher.launch(stage.python(SLEEPER))
    await stage.told()
    meter = UsageMeter(clock)

    usages = [meter.sample({SESSION: identity})[SESSION] for _ in range(2)]

    assert [usage.cpu_percent for usage in usages] == [0, 0]


async def test_a_member_that_lost_its_parent_still_counts(
    launcher: HostLauncher, stage: Stage, clock: FakeClock
) -> None:
    program = """
middle = subprocess.Popen([sys.executable, "-c", '''
import subprocess, time
print(subprocess.Popen(["sleep", "1000"]).pid, flush=True)
time.sleep(1000)
'''], stdout=subprocess.PIPE)
tell(middle.pid, int(middle.stdout.readline()))
middle.wait()
tell()
wait_for_ever()
"""
    identity = await launcher.launch(stage.python(program))
    middle, orphan = await stage.told()
    meter = UsageMeter(clock)
    assert meter.sample({SESSION: identity})[SESSION].process_count == 3

    os.kill(middle, signal.SIGKILL)
    await stage.told()

    assert live_identity_of(orphan) is not None
    assert meter.sample({SESSION: identity})[SESSION].process_count == 2
    assert UsageMeter(clock).sample({SESSION: identity})[SESSION].process_count == 1


async def test_a_dead_engine_has_no_use(launcher: HostLauncher, stage: Stage, clock: FakeClock) -> None:
    identity = await launcher.launch(stage.plan("true"))
    await launcher.wait(identity)

    assert UsageMeter(clock).sample({SESSION: identity}) == {}


async def test_a_new_launch_starts_a_new_count(launcher: HostLauncher, stage: Stage, clock: FakeClock) -> None:
    meter = UsageMeter(clock)
    first = await launcher.launch(stage.python(SLEEPER))
    await stage.told()
    meter.sample({SESSION: first})
    os.kill(first.pid, signal.SIGKILL)
    await launcher.wait(first)

    second = await launcher.launch(stage.python(SLEEPER))
    await stage.told()
    await clock.advance(1)

    assert meter.sample({SESSION: second})[SESSION].cpu_percent == 0


async def test_the_open_files_of_a_tree_are_counted_while_it_lives(
    launcher: HostLauncher, stage: Stage, clock: FakeClock
) -> None:
    program = "files = [open('/dev/null') for _ in range(50)]\n" + SLEEPER
    identity = await launcher.launch(stage.python(program))
    await stage.told()
    meter = UsageMeter(clock)
    before = meter.open_files_of(identity)
    meter.sample({SESSION: identity})
    alive = meter.open_files_of(identity)
    os.kill(identity.pid, signal.SIGKILL)
    await launcher.wait(identity)

    assert before is None
    assert alive is not None
    assert 53 <= alive < 70
    assert meter.open_files_of(identity) is None


async def test_what_a_dead_engine_left_behind_is_known_for_as_long_as_it_lives(
    launcher: HostLauncher, stage: Stage, clock: FakeClock
) -> None:
    program = """
child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
tell(child.pid)
wait_for_ever()
"""
    identity = await launcher.launch(stage.python(program))
    (child,) = await stage.told()
    left = live_identity_of(child)
    assert left is not None
    meter = UsageMeter(clock)
    meter.sample({SESSION: identity})

    os.kill(identity.pid, signal.SIGKILL)
    await launcher.wait(identity)
    meter.sample({})
    known = meter.members_of(identity)
    os.kill(child, signal.SIGKILL)
    await launcher.wait(left)
    meter.sample({})

    assert known == {left}
    assert not meter.members_of(identity)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system tells of all processes at once")
async def test_most_samples_look_at_no_process_of_others(
    launcher: HostLauncher, stage: Stage, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = await launcher.launch(stage.python(SLEEPER))
    await stage.told()
    looked_at: list[int] = []

    def read_stat(pid: int, read: Callable[[int], procfs.Stat | None] = procfs.read_stat) -> procfs.Stat | None:
        looked_at.append(pid)
        return read(pid)

    monkeypatch.setattr(procfs, "read_stat", read_stat)
    meter, of_others = UsageMeter(clock), []
    for _ in range(6):
        meter.sample({SESSION: identity})
        of_others.append(os.getppid() in looked_at)
        assert identity.pid in looked_at
        looked_at.clear()

    assert of_others == [True, False, False, False, True, False]


async def test_a_child_that_is_born_between_two_samples_counts(
    launcher: HostLauncher, stage: Stage, clock: FakeClock
) -> None:
    program = """
signal.signal(signal.SIGUSR1, lambda *_: tell(subprocess.Popen(["sleep", "1000"]).pid))
"""
    identity = await launcher.launch(stage.python(program + SLEEPER))
    await stage.told()
    meter = UsageMeter(clock)
    before = meter.sample({SESSION: identity})[SESSION].process_count

    os.kill(identity.pid, signal.SIGUSR1)
    await stage.told()

    assert (before, meter.sample({SESSION: identity})[SESSION].process_count) == (1, 2)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system tells of all processes at once")
@pytest.mark.parametrize("way", ["with an entry of its own", "with the same entry, after it was gone"])
async def test_a_child_that_gets_the_number_of_a_dead_stranger_counts_at_once(
    way: str, launcher: HostLauncher, stage: Stage, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = 'tell(subprocess.Popen(["sleep", "1000"]).pid)\nwait_for_ever()'
    identity = await launcher.launch(stage.python(program))
    (child,) = await stage.told()
    meter = UsageMeter(clock)

    def sample() -> int:
        return meter.sample({SESSION: identity})[SESSION].process_count

    with monkeypatch.context() as as_a_strangers:
        entries, stat = procfs.entries(), procfs.read_stat(child)
        assert stat is not None
        is_own = way == "with an entry of its own"
        as_a_strangers.setattr(procfs, "entries", lambda: {**entries, child: entries[child] - is_own})
        as_a_strangers.setattr(
            procfs,
            "read_stat",
            lambda pid, read=procfs.read_stat: stat._replace(ppid=1, started=1) if pid == child else read(pid),
        )
        before = sample()
        if not is_own:
            as_a_strangers.setattr(procfs, "entries", lambda: {p: each for p, each in entries.items() if p != child})
            sample()

    assert (before, sample()) == (1, 2)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system tells of all processes at once")
async def test_whose_parent_was_not_listed_yet_counts_once_it_is(
    launcher: HostLauncher, stage: Stage, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = """
child = subprocess.Popen(["sh", "-c", "sleep 1000 & echo $!; wait"], stdout=subprocess.PIPE)
tell(child.pid, int(child.stdout.readline()))
wait_for_ever()
"""
    identity = await launcher.launch(stage.python(program))
    child, _ = await stage.told()
    meter = UsageMeter(clock)

    def sample() -> int:
        return meter.sample({SESSION: identity})[SESSION].process_count

    with monkeypatch.context() as at_its_birth:
        entries = procfs.entries()
        at_its_birth.setattr(procfs, "entries", lambda: {p: each for p, each in entries.items() if p != child})
        before = sample()

    assert (before, sample()) == (1, 3)
