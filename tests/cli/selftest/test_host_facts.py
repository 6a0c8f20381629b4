"""What the self-test makes of what systems say of themselves."""

import os
from pathlib import Path

import pytest

from openwa_manager.cli.selftest.checks.host import kind_of, moment_of, plain_version
from openwa_manager.cli.selftest.checks.processes import environments_of, without_name
from openwa_manager.cli.selftest.facts import spread_ms
from openwa_manager.processes.reading import procfs


@pytest.mark.parametrize(
    ("release", "version"), [("6.1.0-jos-laptop", "6.1.0"), ("24.1.0", "24.1.0"), ("jos", "")], ids=str
)
def test_a_kernels_own_name_is_left_out(release: str, version: str) -> None:
    assert plain_version(release) == version


@pytest.mark.parametrize(
    ("python", "kind"),
    [
        (
            "/opt/homebrew/Cellar/python@3.13/3.13.0/Frameworks/Python.framework/Versions/3.13/bin/python3.13",
            "homebrew",
        ),
        ("/Library/Frameworks/Python.framework/Versions/3.13/bin/python3.13", "framework"),
        ("/usr/bin/python3.12", "system"),
        ("/home/jo/.pyenv/versions/3.12/bin/python", "other"),
    ],
)
def test_a_python_is_told_by_its_kind_and_not_by_its_path(python: str, kind: str) -> None:
    assert kind_of(Path(python)) == kind


def test_a_moment_of_sysctl_is_read() -> None:
    assert moment_of("{ sec = 1731000000, usec = 500000 } Thu Nov  7 18:20:00 2024") == 1_731_000_000.5
    assert moment_of("{ sec = 0, usec = 0 } Thu Jan  1 01:00:00 1970") == 0
    assert moment_of(None) is None


def test_a_stat_without_its_name_says_the_same() -> None:
    stat = b"7 (jo's ) (tool) S 1 7 7 0 " + b" ".join(b"%d" % number for number in range(47)) + b"\n"

    nameless = without_name(stat)

    assert b"jo" not in nameless
    assert procfs.parse_stat(nameless) == procfs.parse_stat(stat)


def test_durations_are_told_by_their_middle_and_their_end() -> None:
    told = spread_ms([0.001 * number for number in range(1, 11)])

    assert told == {"count": 10, "median_ms": 5.5, "p90_ms": 10.0, "max_ms": 10.0}
    assert spread_ms([])["median_ms"] is None


def test_a_program_is_found_where_only_our_own_path_leads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """nodejs.org's Node lies in /usr/local/bin and Homebrew's in /opt/homebrew/bin: no default path leads there."""
    program = tmp_path / "only-here"
    program.write_text("#!/bin/sh\nread line\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    told = list(environments_of({"here": ("only-here",), "nowhere": ("only-elsewhere",)}))

    assert [list(each) for each in told] == [["here"], ["nowhere"]]
    assert told[0]["here"] is not None
    assert told[1]["nowhere"] is None
