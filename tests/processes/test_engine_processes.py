"""Who counts as an engine's process: tried with processes that try to look like others."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from openwa_manager.domain.session.session import Identity, SessionId
from openwa_manager.processes import marks
from openwa_manager.processes.engine_processes import EngineProcesses, ancestors
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.reading.identity import identity_of
from tests.fakes.process import ending
from tests.processes.conftest import PROLOGUE, Stage

SLEEPER = "tell(os.getpid()); wait_for_ever()"
SCRIPT = "/opt/openwa/dist/main"


def knowing(*engines: Identity) -> EngineProcesses:
    live: Mapping[SessionId, Identity] = {SessionId(f"s{at}"): engine for at, engine in enumerate(engines)}
    return EngineProcesses(lambda: live, [SCRIPT, "our.module"])


async def test_an_engine_and_what_it_starts_are_engines(launcher: HostLauncher, stage: Stage) -> None:
    program = "child = subprocess.Popen(['sleep', '1000'], env={}); tell(child.pid); wait_for_ever()"
    engine = await launcher.launch(replace(stage.python(program), env={"TELL": stage.env["TELL"]}))
    child = (await stage.told())[0]

    assert knowing(engine).includes(engine.pid)
    assert knowing(engine).includes(child)
    await launcher.end(stage.target(engine), 0)


async def test_a_child_of_ours_in_a_session_of_its_own_is_an_engine_whoever_knows_it(
    launcher: HostLauncher, stage: Stage
) -> None:
    engine = await launcher.launch(replace(stage.python(SLEEPER), env={"TELL": stage.env["TELL"]}))
    await stage.told()

    assert knowing().includes(engine.pid)
    await launcher.end(stage.target(engine), 0)


def test_a_process_that_carries_a_launch_id_is_an_engine(stage: Stage) -> None:
    assert knowing().includes(stage.orphan("wait_for_ever()").pid)


async def test_what_an_engine_started_keeps_its_mark_whatever_else_it_leaves(
    launcher: HostLauncher, stage: Stage
) -> None:
    apart = (
        "child = subprocess.Popen(['sleep', '1000'], env={}, start_new_session=True); tell(child.pid); wait_for_ever()"
    )
    engine = await launcher.launch(stage.python(apart))
    child = (await stage.told())[0]

    assert marks.read(child) == marks.read(engine.pid) == marks.mark_of(stage.launch_id)
    assert marks.read(os.getpid()) is None
    await launcher.end(stage.target(engine), 0)


def started(stage: Stage, *argv: str, cwd: Path | None = None) -> "subprocess.Popen[bytes]":
    """Start a program that knows where to tell, and nothing else of the stage."""
    return subprocess.Popen(argv, env={"TELL": stage.env["TELL"], "PATH": os.environ["PATH"]}, cwd=cwd)


#: Tells once it runs: before, a process has no arguments to look at.
UP = (sys.executable, "-c", PROLOGUE + SLEEPER)


@pytest.mark.parametrize("words", [[SCRIPT], ["-m", "our.module"]])
async def test_a_process_that_runs_an_engines_program_is_an_engine(stage: Stage, words: list[str]) -> None:
    with ending(started(stage, *UP, *words)) as process:
        await stage.told()
        assert knowing().includes(process.pid)
        process.kill()


async def test_a_relative_path_names_the_same_program(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    engines = EngineProcesses(dict, [str(tmp_path / "dist" / "main")])

    with ending(started(stage, *UP, "dist/main", cwd=tmp_path)) as process:
        await stage.told()
        assert engines.includes(process.pid)
        process.kill()


async def test_a_program_of_our_user_is_no_engine_whatever_interpreter_it_runs(stage: Stage) -> None:
    with ending(started(stage, *UP, "-m", "openwa_manager", "/opt/openwa")) as process:
        await stage.told()
        assert not knowing().includes(process.pid)
        process.kill()


def test_we_ourselves_are_no_engine_and_neither_is_who_started_us() -> None:
    assert not knowing().includes(os.getpid())
    assert not knowing().includes(os.getppid())


def test_a_number_that_an_engine_had_says_nothing_of_who_has_it_now(stage: Stage) -> None:
    with ending(started(stage, "sleep", "1000")) as process:
        now = identity_of(process.pid)
        assert now is not None
        assert not knowing(replace(now, started=now.started - 1)).includes(process.pid)
        process.kill()


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() == 0, reason="root sees everybody's environment")
async def test_who_hides_his_environment_is_refused(stage: Stage) -> None:
    hide = "import ctypes; ctypes.CDLL(None).prctl(4, 0, 0, 0, 0); tell(0); wait_for_ever()"

    with ending(started(stage, sys.executable, "-c", PROLOGUE + hide)) as process:
        await stage.told()
        assert knowing().includes(process.pid)
        process.send_signal(signal.SIGKILL)


def test_the_way_up_ends_at_the_first_of_all() -> None:
    own = list(ancestors(os.getppid()))

    assert own[0][0] == os.getppid()
    assert own[-1][1] in (0, 1, os.getpid())


def test_of_a_process_that_is_gone_nothing_is_known(stage: Stage) -> None:
    with ending(started(stage, "true")) as process:
        process.wait(20)

    assert list(ancestors(process.pid)) == []
