"""The forms in which a command prints, colors, what others wrote, and the shell."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.screens.conftest import CONNECTED, RECIPIENT, STOPPED, UNSCANNED, Look, Open
from tests.cli.screens.window import LARGE, SMALL
from tests.e2e.peers.daemon import Daemon


def piped(daemon: Daemon, words: Sequence[str], **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {"PATH": os.environ["PATH"], "OPENWA_MANAGER_HOME": str(daemon.home), "TZ": "UTC", "LANG": "C.UTF-8"}
    argv = (sys.executable, "-m", "openwa_manager", *words)
    return subprocess.run(argv, env=kept | environ, capture_output=True, text=True, check=False, timeout=60)


def test_piped_it_is_json_and_a_table_when_asked_for(daemon: Daemon) -> None:
    as_json = json.loads(piped(daemon, ["list"]).stdout)
    by_option = piped(daemon, ["list", "-o", "table"]).stdout
    by_variable = piped(daemon, ["list"], OPENWA_MANAGER_OUTPUT="table").stdout

    assert {each["session_id"] for each in as_json["sessions"]} >= {*CONNECTED, UNSCANNED, STOPPED}
    assert CONNECTED[0] in by_option  # whole: for grep
    assert "\x1b" not in by_option
    assert by_variable.splitlines()[0] == by_option.splitlines()[0]


def test_piped_a_table_keeps_to_the_width_that_is_told(daemon: Daemon) -> None:
    lines = piped(daemon, ["list", "-o", "table"], COLUMNS="60").stdout.splitlines()

    assert max(map(len, lines)) <= 60
    assert lines[0].split()[:2] == ["SESSION", "STATUS"]


def test_ids_are_one_a_line(daemon: Daemon, look: Look) -> None:
    assert piped(daemon, ["list", "-o", "ids", "--status", "stopped"]).stdout == f"{STOPPED}\n"
    assert look(["show", STOPPED, "-o", "ids"]).text == STOPPED


def test_wide_has_what_the_window_has_no_room_for(look: Look, daemon: Daemon) -> None:
    wide = piped(daemon, ["list", "-o", "wide"]).stdout

    assert "LABELS" in wide
    assert "shop=hk" in wide
    assert "LABELS" not in look(["list"]).text


def test_an_unknown_form_is_refused_with_those_there_are(look: Look) -> None:
    seen = look(["list"], code=2, OPENWA_MANAGER_OUTPUT="yaml")

    assert "OPENWA_MANAGER_OUTPUT=yaml is none of table, wide, json, ids" in seen.text


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colors_are_left_out_where_nobody_wants_them(look: Look, environ: dict[str, str]) -> None:
    colored, plain = look(["list"]), look(["list"], **environ)

    assert (colored.color_of("connected"), colored.color_of("qr_ready")) == ("green", "brown")  # pyte's name of yellow
    assert b"\x1b[" not in plain.raw


def test_times_are_local_and_say_of_which_zone(look: Look) -> None:
    tables = [look(["list"], TZ=zone).lines[0] for zone in ("Asia/Hong_Kong", "<+0845>-8:45")]
    fact = look(["show", STOPPED], TZ="Asia/Hong_Kong").text

    assert ["CHANGED HKT" in tables[0], "CHANGED UTC+0845" in tables[1]] == [True, True]
    assert re.search(r"^created_at +[\d-]+ [\d:]+ HKT$", fact, re.MULTILINE)


def test_what_others_wrote_cannot_steer_the_terminal(daemon: Daemon, look: Look) -> None:
    daemon.ask("PATCH", f"/v1/sessions/{STOPPED}", {"labels": {"note": "a\x1b[2J\x1b]0;title\x07b"}})

    seen = look(["show", STOPPED])

    daemon.ask("PATCH", f"/v1/sessions/{STOPPED}", {"labels": {}})
    assert seen.lines[0].startswith("session_id")
    assert b"\x1b" not in seen.raw


def test_an_id_as_tables_shorten_it_is_understood(look: Look) -> None:
    shortened = look(["list"]).lines[1].split()[0]

    seen = look(["show", shortened], LARGE)

    assert "…" in shortened
    assert CONNECTED[0] in seen.lines[0]


def test_what_takes_long_says_so_meanwhile(window: Open) -> None:
    with window(["qr", STOPPED.replace("stopped", "none"), "--wait", "1"]) as quick:
        assert quick.ended() == 3
    with window(["create", "slow_1", "--env", "SIM_BOOT_S=600", "--timeout", "4"], SMALL) as slow:
        seen = slow.until(lambda text: "working, " in text)

        assert slow.ended() == 1
    assert re.search(r"create: working, \d+ s", seen)
    assert "working" not in slow.text
    assert b"working" not in quick.raw


def test_a_code_to_type_in_is_shown_with_what_to_do(look: Look) -> None:
    seen = look(["pairing-code", UNSCANNED, RECIPIENT])

    assert re.match(r"[A-Z0-9-]{8,9}, valid until [\d-]+ [\d:]+ UTC$", seen.lines[0])
    assert "Link with phone number" in " ".join(seen.lines)


def test_a_message_is_sent_and_said_to_be(look: Look) -> None:
    seen = look(["send", CONNECTED[1], RECIPIENT, "Hello", "--wait"])

    assert re.fullmatch(r"msg_\w+ to \+85212345678: (sent|delivered|read)", seen.text)


def test_the_api_describes_itself_also_on_a_terminal(look: Look) -> None:
    assert '"openapi":' in look(["openapi", "--json"]).raw.decode()


def test_config_check_shows_what_somebody_has_set(look: Look, daemon: Daemon) -> None:
    few, all_of_them = look(["config", "check"]), look(["config", "check", "--all"])

    assert few.lines[0].split() == ["SETTING", "VALUE", "SOURCE"]
    assert [line.split()[0] for line in few.lines[1:3] if line] == ["home"]
    assert str(daemon.home) in few.text
    assert re.search(r"^\d+ settings have their defaults: --all shows them$", few.text, re.MULTILINE)
    assert b"probe_misses" in all_of_them.raw
    assert b"probe_misses" not in few.raw


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("openwa-manager resta", ["restart "]),
        ("openwa-manager list --stat", ["--status "]),
        ("openwa-manager list --status conn", ["connected "]),
        ("openwa-manager restart user_4", [f"{STOPPED} "]),
        ("openwa-manager help link", ["linking "]),
    ],
)
def test_bash_completes_commands_options_ids_and_pages(daemon: Daemon, words: str, completed: list[str]) -> None:
    script = (
        'PATH="$1:$PATH"; eval "$(openwa-manager completion bash)"; COMP_LINE="$2"; COMP_POINT=${#2}; COMP_TYPE=9;'
        "COMP_WORDS=($2); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=(); _python_argcomplete openwa-manager;"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    environ = {"PATH": os.environ["PATH"], "OPENWA_MANAGER_HOME": str(daemon.home), "HOME": str(daemon.home.parent)}
    place = str(Path(sys.executable).parent)

    argv = ("bash", "--norc", "-c", script, "bash", place, words)
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False, timeout=60)

    assert done.stdout.splitlines() == completed, done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_own_script(daemon: Daemon, shell: str) -> None:
    done = piped(daemon, ["completion", shell])

    assert done.returncode == 0
    assert "openwa-manager" in done.stdout
    assert "_ARGCOMPLETE" in done.stdout
