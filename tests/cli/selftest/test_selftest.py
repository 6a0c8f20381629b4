"""The self-test as it is run by whoever sends its lines: by its real command, on this system."""

import json
import os
import platform
import pwd
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, cast

import pytest

from openwa_manager.cli.selftest.checks import CHECKS
from openwa_manager.cli.selftest.facts import Facts
from tests.run.measured import MEASURED
from tests.source import ROOT

WITHIN_S = 60
#: Words that nothing but our environment holds.
ENVIRON = {"USER": "quixotic_owner", "LOGNAME": "quixotic_owner", "SELFTEST_SECRET": "unsayable_value"}


class Told(NamedTuple):
    """What the self-test printed, and where its home would have been."""

    code: int
    out: str
    err: str
    home: Path

    @property
    def lines(self) -> Mapping[str, Facts]:
        parsed = [cast("Facts", json.loads(line)) for line in self.out.splitlines()]
        return {str(each["check"]): each for each in parsed}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Run the command once, for all of these tests: it takes a while."""
    place = tmp_path_factory.mktemp("selftest")
    home, temporary = place / "quixotic_home", place / "quixotic_temporary"
    home.mkdir()
    temporary.mkdir()
    done = subprocess.run(
        (sys.executable, "-m", "openwa_manager", "doctor", "--selftest"),
        env=os.environ | MEASURED | ENVIRON | {"HOME": str(home), "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
        timeout=WITHIN_S,
    )
    assert [*temporary.iterdir()] == []
    return Told(done.returncode, done.stdout, done.stderr, home)


def test_every_check_can_be_run_here(told: Told) -> None:
    failed = {name: facts for name, facts in told.lines.items() if "error" in facts}

    assert failed == {}
    assert told.code == 0, told.err


def test_there_is_one_line_for_each_check_and_one_for_all(told: Told) -> None:
    names = [json.loads(line)["check"] for line in told.out.splitlines()]

    assert names == [*(check.name for check in CHECKS), "summary"]
    assert told.lines["summary"]["failed"] == []


def test_every_line_says_of_which_system_it_is(told: Told) -> None:
    assert {facts["system"] for facts in told.lines.values()} == {platform.system()}


def test_it_leaves_no_trace_and_needs_no_home(told: Told) -> None:
    assert [*told.home.iterdir()] == []


@pytest.mark.parametrize(
    "text",
    [
        *(value for value in ENVIRON.values()),
        "quixotic",  # in the paths of the home and of the temporary directory
        str(Path.home()),
        str(ROOT),
        sys.prefix,
        socket.gethostname(),
        pwd.getpwuid(os.getuid()).pw_name,
    ],
)
def test_nothing_personal_is_printed(told: Told, text: str) -> None:
    assert not re.search(rf"(?<![A-Za-z0-9_]){re.escape(text)}(?![A-Za-z0-9_])", told.out)


def test_no_path_is_printed(told: Told) -> None:
    assert re.findall(r'"[^"]*(?:/[^"/]+){2}[^"]*"', told.out) == [
        f'"{name}"' for name in map(str, cast("Facts", told.lines["limits"].get("proc_sys", {}))) if name.count("/") > 1
    ]


def test_what_is_told_as_bytes_names_no_program_of_this_host(told: Told) -> None:
    """The first process of a container may have the name of whoever started it."""
    info = told.lines["process_info"]

    raws = [str(cast("Facts", info[who]).get("stat", "")) for who in ("live", "zombie", "first")]

    assert all(b" (-) " in bytes.fromhex(raw) for raw in raws if raw)
