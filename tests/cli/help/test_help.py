"""What the command line tells of itself: examples that work, pages as text, and the nearest word."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from openwa_manager.cli import MODULES, NAMES, all_commands, parser_for
from openwa_manager.cli.commands.sessions import STATUSES
from openwa_manager.cli.help.examples import EXAMPLES
from openwa_manager.cli.help.overview import overview
from openwa_manager.cli.help.pages import topics
from openwa_manager.domain.session.session import Status
from tests.cli.commands.samples import session
from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api

OF_OURS = [(name, line) for name, lines in EXAMPLES.items() for line in lines if line.startswith("openwa-manager ")]


def test_the_table_of_modules_names_the_commands_they_have() -> None:
    assert tuple(command.name for command in all_commands()) == NAMES
    assert len(MODULES) < len(NAMES)


def test_every_command_has_an_example() -> None:
    assert EXAMPLES.keys() == set(NAMES)


@pytest.mark.parametrize(("name", "line"), OF_OURS, ids=[line for _, line in OF_OURS])
def test_an_example_is_understood(name: str, line: str) -> None:
    words = shlex.split(line.partition(" > ")[0])[1:]

    given = parser_for(words).parse_args(words)

    assert words[0] == name
    assert callable(given.run)


def test_the_overview_fits_a_small_window() -> None:
    assert max(map(len, overview(all_commands()).splitlines())) <= 80


def test_the_statuses_are_those_of_the_domain() -> None:
    assert set(STATUSES) == set(Status)


@pytest.mark.parametrize("topic", topics())
def test_a_page_is_text_that_fits(terminal: Run, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    said = terminal("help", topic)

    prose = [line for line in said.out.splitlines() if " " in line.strip() and not line.startswith("    ")]
    assert said.code == 0
    assert prose
    assert max(map(len, prose)) <= 80
    assert not any(line.startswith(("# ", "```", "|")) for line in prose)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["lst"], "'list'"),
        (["keys", "creat", "x"], "'create'"),
        (["list", "--statsu", "failed"], "'--status'"),
        (["list", "--status", "qrready"], "'qr_ready'"),
        (["events", "--type", "session.conected"], "'session.connected'"),
        (["endpoints", "add", "https://a.example", "--event", "mesage.*"], "'message.*'"),
        (["help", "instal"], "'install'"),
        (["status"], "'list'"),
        (["ps"], "'list'"),
        (["rm", "x"], "'delete'"),
        (["keys", "ls"], "'list'"),
        (["scan", "x"], "'qr'"),
        (["health"], "'doctor'"),
        (["version"], "'--version'"),
        (["list", "--output", "json"], "'-o'"),
        (["logs", "x", "-n", "5"], "'--tail'"),
        (["logs", "x", "--lines", "5"], "'--tail'"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_nearest(
    pipe: Run, capfd: pytest.CaptureFixture[str], words: list[str], hint: str
) -> None:
    try:
        said = pipe(*words)
    except SystemExit as left:
        code, err = left.code, capfd.readouterr().err
    else:
        code, err = said.code, said.err

    assert code == 2
    assert f"did you mean {hint}?" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["completion"], "missing: shell (there are bash, zsh, fish)"),
        (["service"], "missing: verb (there are install, "),
        (["config"], "missing: verb (there are check)"),
        ([], "missing: COMMAND\n"),
    ],
)
def test_of_a_missing_word_it_is_said_which_there_are(
    pipe: Run, capfd: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    with pytest.raises(SystemExit):
        pipe(*words)

    assert capfd.readouterr().err.startswith(f"openwa-manager: {said}")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["start", "nope", "nada"], "; openwa-manager list shows them\n"),
        (["messages", "show", "msg_x"], ": 'msg_x'; openwa-manager messages shows them\n"),
        (["keys", "delete", "campaign"], ": 'campaign'; keys go by id: openwa-manager keys shows them\n"),
    ],
)
def test_what_is_not_there_is_named_and_where_the_others_are(
    terminal: Run, api: Api, words: list[str], hint: str
) -> None:
    del api  # which knows of nothing
    said = terminal(*words)

    assert hint in said.out + said.err
    assert said.code in (1, 3)


def test_a_mistyped_id_is_answered_with_the_nearest(pipe: Run, api: Api) -> None:
    api.on("GET /v1/sessions", Answer(body={"sessions": [session()], "next_cursor": None}))

    said = pipe("show", "user_1_sesion_a")

    assert said.code == 3
    assert "did you mean 'user_1_session_a'?" in said.err


def test_completion_without_argcomplete_says_what_is_missing() -> None:
    without_packages = (sys.executable, "-S", "-m", "openwa_manager", "completion", "bash")
    root = Path(__file__).parents[3]

    done = subprocess.run(
        without_packages,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=root,
        env={"PATH": os.environ["PATH"]},
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "openwa-manager: argcomplete is missing: install openwa-manager again, as `openwa-manager help install` says\n"
    )


@pytest.mark.parametrize(("words", "code"), [(["--version"], 0), (["help", "qr"], 0), (["completion", "zsh"], 1)])
@pytest.mark.parametrize("asks", [{}, {"_ARGCOMPLETE": "1", "COMP_LINE": "openwa-manager ", "COMP_POINT": "15"}])
def test_every_command_works_without_argcomplete(
    tmp_path: Path, words: list[str], code: int, asks: dict[str, str]
) -> None:
    (tmp_path / "argcomplete.py").write_text("raise ImportError('broken')\n")
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), **asks}

    done = subprocess.run(
        (sys.executable, "-m", "openwa_manager", *words),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environ,
    )

    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert ("argcomplete is missing" in done.stderr) == (code == 1)


def test_what_is_no_number_is_said_in_plain_words(pipe: Run, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        pipe("why", "user_1", "--limit", "ten")

    assert capfd.readouterr().err.startswith("openwa-manager: --limit: 'ten' is no whole number\n")
