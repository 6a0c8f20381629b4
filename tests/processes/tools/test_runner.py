"""A program that is no engine ends with all that it started, whoever waits for it."""

import asyncio
import os
from pathlib import Path

import pytest

from openwa_manager.domain.session.session import LaunchId
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.reading.identity import live_identity_of
from openwa_manager.processes.tools.runner import Tool, ToolOutcome
from tests.fakes.file_limit import files_left
from tests.fakes.polling import until

#: Starts a sleeper that leaves the session, with an empty environment, and says its number.
_DAEMON = "setsid env -i sleep 600 >/dev/null 2>&1 & echo $!"


def tool(folder: Path, script: str, within_s: float = 30.0, tool_id: str = "t1") -> Tool:
    return Tool(
        tool_id=LaunchId(tool_id),
        argv=("/bin/sh", "-c", script),
        env={"PATH": os.environ["PATH"]},
        cwd=folder,
        directory=folder,
        within_s=within_s,
    )


async def test_what_it_says_is_heard_line_by_line(launcher: HostLauncher, tmp_path: Path) -> None:
    heard: list[str] = []

    outcome = await launcher.tools.run(tool(tmp_path, "echo one; printf 'two\\rthree\\n'; echo four >&2"), heard.append)

    assert outcome == ToolOutcome(error=None, lines=("one", "two", "three", "four"))
    assert heard == ["one", "two", "three", "four"]


async def test_only_its_last_words_are_kept(launcher: HostLauncher, tmp_path: Path) -> None:
    script = "i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done; head -c 100000 /dev/zero | tr '\\0' x"

    outcome = await launcher.tools.run(tool(tmp_path, script))

    assert len(outcome.lines) == 40
    assert max(map(len, outcome.lines)) == 300
    assert outcome.lines[-2] == "line 499"


async def test_how_it_failed_is_said(launcher: HostLauncher, tmp_path: Path) -> None:
    failed = await launcher.tools.run(tool(tmp_path, "exit 7"))
    killed = await launcher.tools.run(tool(tmp_path, "kill -9 $$"))
    late = await launcher.tools.run(tool(tmp_path, "sleep 600", within_s=0.2))
    missing = await launcher.tools.run(
        Tool(
            tool_id=LaunchId("t2"),
            argv=("/no/such/program",),
            env={},
            cwd=tmp_path,
            directory=tmp_path,
            within_s=1.0,
        )
    )

    assert failed.error == "sh ended with exit code 7"
    assert killed.error == "sh was ended by SIGKILL"
    assert late.error == "sh was ended, for it had not finished within 0.2 s"
    assert missing.error == "program could not be started"
    assert "/no/such/program" in missing.lines[-1]


@pytest.mark.parametrize("left", range(5))
async def test_one_for_which_too_few_files_can_be_opened_has_not_started(
    launcher: HostLauncher, tmp_path: Path, left: int
) -> None:
    with files_left(left):
        outcome = await launcher.tools.run(tool(tmp_path, "exit 0"))

    assert "/bin/sh could not be started: " in str(outcome.error)


async def test_engines_come_first(launcher: HostLauncher, tmp_path: Path) -> None:
    outcome = await launcher.tools.run(tool(tmp_path, "nice"))

    assert int(outcome.lines[0]) >= 15


async def test_nothing_that_it_started_outlives_it(launcher: HostLauncher, tmp_path: Path) -> None:
    outcome = await launcher.tools.run(tool(tmp_path, _DAEMON))

    assert outcome.error is None
    assert live_identity_of(int(outcome.lines[0])) is None


async def test_nothing_outlives_who_waits_for_it(launcher: HostLauncher, tmp_path: Path) -> None:
    heard: list[str] = []

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(launcher.tools.run(tool(tmp_path, f"{_DAEMON}; exec sleep 600"), heard.append))
        await until(lambda: bool(heard))
        running.cancel()

    assert live_identity_of(int(heard[0])) is None


async def test_what_an_earlier_daemon_left_running_is_found_by_its_mark(launcher: HostLauncher, tmp_path: Path) -> None:
    heard: list[str] = []
    tools = launcher.tools

    async with asyncio.TaskGroup() as tasks:
        script = f"{_DAEMON}; exec sleep 600"
        running = tasks.create_task(tools.run(tool(tmp_path, script, tool_id="left"), heard.append))
        await until(lambda: bool(heard))
        count = await tools.sweep(LaunchId("left"), tmp_path)
        outcome = await running

    assert count >= 2
    assert outcome.error == "sh was ended by SIGKILL"
    assert live_identity_of(int(heard[0])) is None
