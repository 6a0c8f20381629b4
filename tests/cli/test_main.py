"""The program as a shell meets it: exit codes, pipes, a terminal, and how quickly it starts."""

import os
import pty
import shlex
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from openwa_manager.cli import NAMES, main
from openwa_manager.daemon import NEEDS_PERSON
from openwa_manager.engines.program import LOOPBACK_SHIM
from tests.cli.commands.samples import code_of, modules_on, session
from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api
from tests.fakes.process import ending

PROGRAM = (sys.executable, "-m", "openwa_manager")

#: What makes a program slow to start; only the daemon, `config check` and the demo need it.
HEAVY = ("pydantic", "aiohttp", "structlog", "asyncio", "psutil", "png")


def test_a_command_imports_nothing_heavy(home: Path, api: Api) -> None:
    api.on("GET /v1/sessions", Answer(body={"sessions": [session()], "next_cursor": None}))

    done = subprocess.run(
        (sys.executable, "-X", "importtime", "-m", "openwa_manager", "--home", home, "list"),
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "openwa_manager.cli.client" in imported
    assert imported.isdisjoint(HEAVY)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is a thing of Linux")
@pytest.mark.parametrize("words", [("list",), ("--version",)])
def test_a_full_disk_is_said_in_one_line(home: Path, api: Api, words: tuple[str, ...]) -> None:
    api.on("GET /v1/sessions", Answer(body={"sessions": [session()], "next_cursor": None}))

    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            (*PROGRAM, "--home", home, *words), stdout=full, stderr=subprocess.PIPE, check=False, timeout=30
        )

    assert done.returncode == 1
    assert done.stderr == b"openwa-manager: [Errno 28] No space left on device\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is a thing of Linux")
@pytest.mark.parametrize(("words", "code"), [(("--version",), 0), (("list",), 5), (("nonsense",), 2)])
def test_complaints_that_nobody_can_take_change_no_exit_code(tmp_path: Path, words: tuple[str, ...], code: int) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            (*PROGRAM, "--home", str(tmp_path), *words), stdout=subprocess.PIPE, stderr=full, check=False, timeout=30
        )

    assert done.returncode == code


def test_a_closed_output_is_no_reason_to_fail(home: Path, api: Api) -> None:
    api.on("GET /v1/sessions", Answer(body={"sessions": [session()], "next_cursor": None}))

    done = subprocess.run(
        ("sh", "-c", 'exec "$@" >&-', "sh", *PROGRAM, "--home", home, "list"), check=False, timeout=30
    )

    assert done.returncode == 0


def test_on_a_terminal_a_code_is_drawn(home: Path, api: Api) -> None:
    qr_base64, modules = code_of("2@pty")
    api.on("POST /v1/sessions", Answer(status=201, body=session(qr_base64=qr_base64)))
    ours, theirs = pty.openpty()

    with ending(
        subprocess.Popen((*PROGRAM, "--home", home, "create"), stdout=theirs, env={**os.environ, "LINES": "60"})
    ) as process:
        os.close(theirs)
        screen = _read_all(ours)

    assert process.returncode == 0
    assert [row[4:-4] for row in modules_on(screen)[4:]][: len(modules)] == modules


def _read_all(terminal: int) -> str:
    read = bytearray()
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # Linux says so when the other side is closed, macOS sends an empty read
            chunk = b""
        if not chunk:
            os.close(terminal)
            return read.decode()
        read += chunk


def test_a_reader_that_has_seen_enough_is_no_drama(home: Path, api: Api) -> None:
    api.on("GET /v1/sessions/a/logs", Answer(raw=b"line\n" * 100_000))
    read_end, write_end = os.pipe()
    os.close(read_end)

    done = subprocess.run(
        (*PROGRAM, "--home", home, "logs", "a"),
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=30,
    )

    os.close(write_end)
    assert (done.returncode, done.stderr) == (1, "")


def test_an_interrupt_ends_quietly(home: Path, api: Api) -> None:
    event = b'{"type": "manager.started", "timestamp": "2026-11-22T07:22:04.165Z", "session_id": null}'
    api.on("GET /v1/events", Answer(raw=b"id: 1\ndata: " + event + b"\n\n"), Answer(raw=b":\n\n"))

    argv = (*PROGRAM, "--home", home, "events", "-f")
    with ending(subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)) as process:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=30)

    assert (process.returncode, complaints) == (130, b"")


def test_config_check_prints_the_settings_and_where_they_come_from(
    pipe: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENWA_MANAGER_PROBE_MISSES", "7")
    monkeypatch.setenv("WEBHOOK_SECRET", "whsec_aGlkZGVu")

    said = pipe("config", "check", "--listen", "127.0.0.1:4000", "--behind-proxy")

    shown = said.document
    assert isinstance(shown, dict)
    descriptions = [each.pop("description") for each in shown.values() if isinstance(each, dict) and "value" in each]
    assert all(descriptions)
    assert shown["home"] == {"value": str(home.resolve()), "source": "--home"}
    assert shown["probe_misses"] == {"value": 7, "source": "OPENWA_MANAGER_PROBE_MISSES"}
    assert shown["listen"] == {"value": "127.0.0.1:4000", "source": "--listen"}
    assert shown["behind_proxy"] == {"value": True, "source": "--behind-proxy"}
    assert shown["engine"] == {"value": "openwa", "source": "default"}
    assert shown["upstream_secret"] == {"value": "***", "source": "WEBHOOK_SECRET"}
    assert "aGlkZGVu" not in said.out


def test_config_check_is_a_table_on_a_terminal(terminal: Run) -> None:
    lines = terminal("config", "check", "--all").out.splitlines()

    assert lines[0].split() == ["SETTING", "VALUE", "SOURCE"]
    assert ["engine", "openwa", "default"] in [line.split() for line in lines]
    wide = terminal("config", "check", "--all", "-o", "wide").out
    assert "The kind of engine that new sessions get" in wide


def test_config_check_warns_of_what_lets_messages_be_sent_twice(
    pipe: Run, terminal: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pipe("config", "check").document["warnings"] == []  # type: ignore[index,call-overload]
    monkeypatch.setenv("OPENWA_MANAGER_RETRY_UNCERTAIN", "true")

    assert "warning: retry_uncertain = true" in terminal("config", "check").out


def test_config_check_says_what_engines_would_run(
    pipe: Run, terminal: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, build, releases = tmp_path / "node", tmp_path / "releases" / "1", tmp_path / "current"
    (build / "dist").mkdir(parents=True)
    (build / "dist" / "main.js").touch()
    (build / "package.json").write_text('{"version": "0.23.1"}')
    node.write_text("#!/bin/sh\necho v24.1.0\n")
    node.chmod(0o755)
    releases.symlink_to(build)
    monkeypatch.setenv("OPENWA_MANAGER_NODE", str(node))
    monkeypatch.setenv("OPENWA_MANAGER_OPENWA_HOME", str(releases))
    del home

    found = pipe("config", "check").document
    line = terminal("config", "check").out.splitlines()[-1]
    (build / "dist" / "main.js").unlink()
    missing = pipe("config", "check").document
    cure = terminal("config", "check").out.splitlines()[-1]

    argv = [str(node), "--require", str(LOOPBACK_SHIM), str(releases / "dist" / "main")]
    assert isinstance(found, dict)
    assert isinstance(missing, dict)
    program = {"engine": "openwa", "build": "openwa_home", "argv": argv, "version": "0.23.1", "missing": None}
    assert found["program"] == {**program, "pinned": []}
    assert line == f"openwa would run: {shlex.join(argv)} (version 0.23.1)"
    assert missing["program"]["argv"] is None
    assert "openwa-manager engine use 0.23.1" in missing["program"]["missing"]
    assert cure == f"openwa cannot run: {missing['program']['missing']}"


@pytest.mark.parametrize(("command", "code"), [(["config", "check"], 1), (["serve"], NEEDS_PERSON)])
def test_settings_that_cannot_be_used_are_refused(pipe: Run, command: list[str], code: int) -> None:
    said = pipe(*command, "--listen", "0.0.0.0:2790")

    assert (said.code, said.out) == (code, "")
    assert "is open to other machines" in said.err


def exit_code(*words: str) -> int:
    try:
        return main(words)
    except SystemExit as left:
        return int(left.code or 0)


@pytest.mark.parametrize("words", ["--help", "help"])
def test_help_lists_every_command(capsys: pytest.CaptureFixture[str], words: str) -> None:
    code = exit_code(words)

    out = capsys.readouterr().out
    commands = out.partition("With every command:")[0].splitlines()
    listed = {line.split()[0] for line in commands if line[:4].isspace() and line[4:5].isalpha()}
    assert code == 0
    assert listed == set(NAMES)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["help", "batch"], 0, "usage: openwa-manager batch"),
        (["help", "batch", "create"], 0, "usage: openwa-manager batch create"),
        (["help", "nonsense"], 2, ""),
    ],
)
def test_help_tells_of_one_command(capsys: pytest.CaptureFixture[str], words: list[str], code: int, told: str) -> None:
    assert exit_code(*words) == code
    assert capsys.readouterr().out.startswith(told)


def test_the_version_is_the_installed_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    assert ended.value.code == 0
    assert capsys.readouterr().out == f"openwa-manager {version('openwa-manager')}\n"
