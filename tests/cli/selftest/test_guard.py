"""How a check is run: cut when it hangs, explained when it fails, and never what says whose host it is."""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import cast

import pytest

from openwa_manager.cli.selftest.checks import CHECKS
from openwa_manager.cli.selftest.facts import Facts, SelftestCheck
from openwa_manager.cli.selftest.guard import guarded_argv, places_in, run_guarded
from openwa_manager.cli.selftest.privacy import personal_texts, without_personal
from openwa_manager.cli.selftest.selftest import run_selftest
from openwa_manager.processes.reading.identity import live_identity_of
from tests.fakes.polling import until

#: Ends long before a hang would, and long after a check that is well.
CUT_S = 1.5
PRINTS_A_FACT = "print('{\"first\": 1}', flush=True);"
SAYS_WHERE = "import faulthandler; faulthandler.dump_traceback_later(0.5);"


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", code)


@pytest.mark.parametrize(
    "hang",
    [
        "import time; time.sleep(60)",
        "import ctypes; ctypes.PyDLL(None).sleep(60)",  # with Python's lock held: no other thread runs
    ],
)
def test_a_check_that_hangs_is_cut_and_says_where(tmp_path: Path, hang: str) -> None:
    began_s = time.monotonic()

    facts = run_guarded(python(f"{SAYS_WHERE}{PRINTS_A_FACT}{hang}"), tmp_path, CUT_S)

    assert time.monotonic() - began_s < 20
    assert facts["first"] == 1
    assert facts["error"] == "cut after 1.5 s"
    assert facts["where"] == ["<string>:1 <module>"]


async def test_what_a_check_has_started_ends_with_it(tmp_path: Path) -> None:
    starts = (
        "import subprocess; child = subprocess.Popen(['sleep', '60']); print('{\"pid\": %d}' % child.pid, flush=True)"
    )

    facts = await asyncio.to_thread(run_guarded, python(f"{starts}; import os; os._exit(0)"), tmp_path, 10)

    assert "error" not in facts
    await until(lambda: live_identity_of(int(cast("int", facts["pid"]))) is None)


def test_a_check_that_dies_says_by_which_signal(tmp_path: Path) -> None:
    facts = run_guarded(python(f"{PRINTS_A_FACT} import os; os.kill(os.getpid(), 9)"), tmp_path, 10)

    assert (facts["first"], facts["error"]) == (1, "ended by signal 9")


def test_a_check_that_raises_says_what_and_where(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    commits = next(check for check in CHECKS if check.name == "commits")

    facts = run_guarded(guarded_argv(commits, nowhere, 10), tmp_path, 10)

    assert facts["error"] == "OperationalError: unable to open database file"
    assert any("commit_cost.py" in str(place) for place in cast("list[str]", facts["where"]))
    assert str(tmp_path) not in json.dumps(facts)


def test_a_system_error_does_not_name_its_path(tmp_path: Path) -> None:
    syncs = next(check for check in CHECKS if check.name == "syncs")

    facts = run_guarded(guarded_argv(syncs, tmp_path / "nowhere", 10), tmp_path, 10)

    assert facts["error"] == "FileNotFoundError: ENOENT"


def test_a_check_for_which_no_time_is_left_is_not_begun() -> None:
    lines: list[str] = []

    is_whole = run_selftest(lines.append, CHECKS[:2], within_s=0)

    assert not is_whole
    assert [json.loads(line).get("error") for line in lines] == ["no time was left", "no time was left", None]
    assert json.loads(lines[-1])["failed"] == ["system", "limits"]


def test_a_check_that_fails_does_not_keep_the_next_from_being_done() -> None:
    lines: list[str] = []

    is_whole = run_selftest(lines.append, (SelftestCheck("nothing", "nowhere"), CHECKS[0]))

    assert not is_whole
    assert ["error" in json.loads(line) for line in lines] == [True, False, False]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_every_check_exists(check: SelftestCheck) -> None:
    assert callable(check.measure)


def test_a_place_is_told_without_its_directory() -> None:
    told = '  File "/Users/jo/a b/watches.py", line 30 in _open\n  File "<string>", line 1, in <module>'

    assert places_in(told) == ["watches.py:30 _open", "<string>:1 <module>"]


def test_personal_texts_are_replaced_where_they_are_whole_words() -> None:
    facts: Facts = {"a": "/Users/jo/x of jo", "b": ["jocular", 1, None], "c": {"d": "jo"}}

    hidden = without_personal(facts, {"/Users/jo": "~", "jo": "<user>"})

    assert hidden == {"a": "~/x of <user>", "b": ["jocular", 1, None], "c": {"d": "<user>"}}


def test_a_path_of_any_place_is_left_out() -> None:
    hidden = without_personal(["cannot open '/srv/jo-data/x.db': 1/2", "/Users/jo/a/b"], {"/Users/jo": "~"})

    assert hidden == ["cannot open '<path>': 1/2", "~/a/b"]


def test_a_home_that_is_the_root_replaces_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/")

    assert "/" not in personal_texts()
