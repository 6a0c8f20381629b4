import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from openwa_manager.domain.session.session import Exit, Identity
from openwa_manager.host.clock import SystemClock
from openwa_manager.processes.exits.exit_watcher import ExitWatcher, system_source
from openwa_manager.processes.exits.polling import Polling
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.reading.identity import identity_of, live_identity_of
from tests.fakes.clock import FakeClock, settle
from tests.fakes.polling import until
from tests.fakes.process import await_death, ending
from tests.processes.conftest import Stage


@pytest.mark.parametrize("code", [0, 1, 130, 255])
async def test_the_exit_code_of_a_child_is_known(launcher: HostLauncher, stage: Stage, code: int) -> None:
    identity = await launcher.launch(stage.plan("sh", "-c", f"exit {code}"))

    assert await launcher.wait(identity) == Exit(exit_code=code)


async def test_the_signal_that_ended_a_child_is_known(launcher: HostLauncher, stage: Stage) -> None:
    identity = await launcher.launch(stage.plan("sh", "-c", "kill -ABRT $$"))

    assert await launcher.wait(identity) == Exit(signal=signal.SIGABRT)


async def test_whoever_asks_later_gets_the_same_answer(launcher: HostLauncher, stage: Stage) -> None:
    identity = await launcher.launch(stage.plan("sh", "-c", "exit 9"))

    first = await launcher.wait(identity)

    assert await launcher.wait(identity) == first == Exit(exit_code=9)


async def test_a_child_is_reaped_even_if_nobody_asks(launcher: HostLauncher, stage: Stage) -> None:
    quiet = await launcher.launch(stage.plan("true"))
    asked = await launcher.launch(stage.plan("sh", "-c", f"while kill -0 {quiet.pid}; do :; done"))

    await launcher.wait(asked)

    assert identity_of(quiet.pid) != quiet


#: Ends one thread alone, by its number in the kernel's table (asm/unistd.h).
EXIT_OF_THREAD = {"x86_64": 60, "aarch64": 93}.get(os.uname().machine)


@pytest.mark.skipif(sys.platform != "linux" or EXIT_OF_THREAD is None, reason="ends a thread by a call of Linux")
async def test_a_process_whose_first_thread_has_ended_has_not_ended(launcher: HostLauncher, stage: Stage) -> None:
    program = f"""
import ctypes, threading
def end():
    with open("go"): os._exit(7)
os.mkfifo("go")
threading.Thread(target=end).start()
tell()
ctypes.CDLL(None).syscall({EXIT_OF_THREAD}, 0)
"""
    identity = await launcher.launch(stage.python(program))
    await stage.told()
    await until(lambda: live_identity_of(identity.pid) is None)  # a zombie, as it seems

    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(launcher.wait(identity))
        await settle()
        assert not asking.done()
        with (stage.directory / "go").open("w"):
            pass

    assert asking.result() == Exit(exit_code=7)


async def test_one_who_stops_waiting_takes_nothing_from_the_others(launcher: HostLauncher, stage: Stage) -> None:
    identity = await launcher.launch(stage.python("tell(); signal.sigwait([signal.SIGTERM])"))

    async with asyncio.TaskGroup() as tasks:
        impatient = tasks.create_task(launcher.wait(identity))
        target = tasks.create_task(launcher.wait(identity))
        await stage.told()
        impatient.cancel()
        os.kill(identity.pid, signal.SIGKILL)

    assert target.result() == Exit(signal=signal.SIGKILL)


@pytest.mark.parametrize(("program", "how"), [("sys.exit(7)", Exit(exit_code=7)), ("os.abort()", Exit(signal=6))])
async def test_the_exit_of_an_adopted_process_is_known(
    launcher: HostLauncher, stage: Stage, program: str, how: Exit
) -> None:
    on_command = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]); tell(); signal.sigwait([signal.SIGUSR1])"
    identity = stage.orphan(f"{on_command}; {program}")
    await stage.told()

    async with asyncio.TaskGroup() as tasks:
        end = tasks.create_task(launcher.wait(identity))
        await settle()
        os.kill(identity.pid, signal.SIGUSR1)

    assert end.result() == how


async def test_of_a_process_that_was_dead_before_we_came_nothing_is_known(launcher: HostLauncher) -> None:
    with ending(subprocess.Popen(["sleep", "1000"])) as process:
        identity = live_identity_of(process.pid)
        process.kill()
    assert identity is not None

    assert await launcher.wait(identity) == Exit()


async def test_a_process_of_an_earlier_boot_is_dead(launcher: HostLauncher) -> None:
    here = live_identity_of(os.getpid())
    assert here is not None

    assert await launcher.wait(replace(here, boot_id="earlier")) == Exit()


async def test_another_process_with_the_same_pid_is_not_waited_for(launcher: HostLauncher) -> None:
    here = live_identity_of(os.getpid())
    assert here is not None

    assert await launcher.wait(replace(here, started=here.started - 1)) == Exit()


async def test_a_process_is_known_by_its_number_also_after_one_was_asked_for_that_had_it_before() -> None:
    exits = ExitWatcher(SystemClock(), system_source())
    with ending(subprocess.Popen(["sleep", "1000"])) as process:
        identity = live_identity_of(process.pid)
        assert identity is not None
        exits.watch(identity)

        assert exits.watch(replace(identity, started=identity.started - 1)).result() == Exit()

        process.kill()
        await_death(process.pid)
        assert exits._look_after(process.pid)
    exits.close()


async def test_the_sweep_finds_an_end_that_was_not_announced() -> None:
    clock = FakeClock()
    exits = ExitWatcher(clock, Polling())
    process = subprocess.Popen(["sleep", "1000"])
    identity = live_identity_of(process.pid)
    assert identity is not None
    async with asyncio.TaskGroup() as tasks:
        net = tasks.create_task(exits.run())
        end = exits.watch(identity)
        process.send_signal(signal.SIGTERM)
        await_death(process.pid)

        await clock.advance(0.5)

        net.cancel()
    process.returncode = 0
    assert end.result() == Exit(signal=signal.SIGTERM)
    exits.close()


async def test_polling_tells_nothing_of_an_adopted_process_but_its_end() -> None:
    exits = ExitWatcher(SystemClock(), Polling())
    program = "import subprocess; p = subprocess.Popen(['sleep', '1000']); print(p.pid, flush=True); p.wait()"
    with ending(subprocess.Popen([sys.executable, "-uc", program], stdout=subprocess.PIPE, text=True)) as parent:
        assert parent.stdout is not None
        identity = live_identity_of(int(parent.stdout.readline()))
        assert identity is not None
        end = exits.watch(identity)

        os.kill(identity.pid, signal.SIGTERM)

    assert await exits.wait(identity) == end.result() == Exit()
    exits.close()


async def test_only_the_latest_ends_are_remembered() -> None:
    exits = ExitWatcher(SystemClock(), system_source())
    gone = [Identity(boot_id="earlier", pid=1, started=number) for number in range(1025)]

    ends = [exits.watch(identity) for identity in gone]

    assert exits.watch(gone[-1]) is ends[-1]
    assert exits.watch(gone[0]) is not ends[0]
    exits.close()


async def test_closing_leaves_the_processes_alone() -> None:
    exits = ExitWatcher(SystemClock(), system_source())
    with ending(subprocess.Popen(["sleep", "1000"])) as process:
        identity = live_identity_of(process.pid)
        assert identity is not None
        exits.watch(identity)

        exits.close()

        assert live_identity_of(process.pid) == identity
        process.kill()


async def test_the_launchers_net_can_be_run_and_cancelled(
    timeless: HostLauncher, clock: FakeClock, stage: Stage
) -> None:
    identity = await timeless.launch(stage.python("tell(); wait_for_ever()"))

    async with asyncio.TaskGroup() as tasks:
        net = tasks.create_task(timeless.run())
        await stage.told()
        await clock.advance(60)
        net.cancel()

    assert timeless.is_alive(identity)
