"""What hosts have recorded, given to our parsers, and what the fakes of macOS say beside it."""

import re
from pathlib import Path

import pytest

from openwa_manager.cli.selftest.facts import Facts
from openwa_manager.host.kernel.queue import NOTE_EXIT, NOTE_EXITSTATUS
from tests.recorded.recordings import (
    FOLDERS,
    OF_MACOS,
    PATHS,
    Recording,
    broken_promises,
    contradictions,
    differences,
    part,
    read_recording,
    rules,
)
from tests.source import ROOT

NOT_YET = "written for macOS, tested against its sources, not yet run on one"
of_macos = pytest.mark.skipif(not OF_MACOS, reason=f"there is no recording of macOS yet: {NOT_YET}")


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_a_recording_lies_where_its_system_belongs(path: Path) -> None:
    system = read_recording(path)["system"]

    assert path.parent.name == FOLDERS[str(system["system"])]
    assert path.stem == f"{system['os_version']}-{system['machine']}"


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_a_recording_is_whole_and_holds_no_path(path: Path) -> None:
    recording = read_recording(path)

    assert recording["summary"]["failed"] == []
    assert re.findall(r'"[^"]*/(?:home|Users|private|root|tmp|usr|var)\b[^"]*"', path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_our_parsers_read_a_recording_as_it_was_seen_there(path: Path) -> None:
    assert contradictions(read_recording(path)) == []


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_what_we_promise_held_on_a_recorded_system(path: Path) -> None:
    assert broken_promises(read_recording(path)) == []


@of_macos
@pytest.mark.parametrize("path", OF_MACOS, ids=name)
def test_the_fakes_go_by_the_rules_of_a_recording(path: Path, of_fakes: Recording) -> None:
    assert differences(read_recording(path), of_fakes) == []


def test_the_readme_says_so_until_there_is_a_recording_of_macos() -> None:
    says_so = NOT_YET in (ROOT / "README.md").read_text("utf-8")

    assert says_so == (not OF_MACOS)


@of_macos
def test_there_is_a_recording_of_macos() -> None:
    assert OF_MACOS


def changed(recording: Recording, check: str, name: str, **facts: object) -> Recording:
    """Return the recording with other facts in one part of it."""
    other: Facts = {**recording[check], name: {**part(recording[check], name), **facts}}  # type: ignore[dict-item]
    return {**recording, check: other}


LINUX = next(path for path in PATHS if path.parent.name == FOLDERS["Linux"])


@pytest.mark.parametrize("facts", [{"started": 1}, {"is_dead": True}, {"ppid": 4_711}])
def test_what_a_parser_would_misread_is_found(facts: Facts) -> None:
    recording = changed(read_recording(LINUX), "process_info", "live", **facts)

    assert [each.partition(" is ")[0] for each in contradictions(recording)] == [f"live: {next(iter(facts))}"]


def test_a_promise_that_did_not_hold_is_found() -> None:
    recording = changed(read_recording(LINUX), "bind_beside_wildcard", "wildcard", pool_says_free=True)

    assert broken_promises(recording) == ["no port is given out that is answered"]


def test_the_fakes_own_answers_are_a_recording_that_our_parsers_read(of_fakes: Recording) -> None:
    assert contradictions(of_fakes) == []
    assert differences(of_fakes, of_fakes) == []


def test_the_rules_that_the_fakes_go_by_are_those_of_the_sources(of_fakes: Recording) -> None:
    told = rules(of_fakes)

    assert told["taskallinfo of a zombie process is told"] is False
    assert told["bsdinfo of another's process is told"] is False
    assert told["sh shows its environment"] is False
    assert told["an exit is announced before it can be reaped"] is True
    assert told["the end of an orphan"] == [[NOTE_EXIT | NOTE_EXITSTATUS, 7 << 8]]
    assert {name.removeprefix("notes of "): notes for name, notes in told.items() if name.startswith("notes of ")} == {
        "create": ["write"],
        "rewrite": [],
        "rename_into": ["write"],
        "rename_within": ["write"],
        "unlink": ["write"],
        "rename_directory": ["rename"],
        "remove_directory": ["write", "delete"],
        "replace_directory": ["write", "delete"],
    }


@pytest.mark.parametrize("facts", [{"started": 1}, {"is_dead": True}, {"ppid": 4_711}, {"psutil_started_us": 1}])
def test_what_a_parser_would_misread_of_macos_is_found(of_fakes: Recording, facts: Facts) -> None:
    assert contradictions(changed(of_fakes, "process_info", "live", **facts)) != []


@pytest.mark.parametrize(
    ("check", "program", "facts", "rule"),
    [
        ("process_info", "zombie", {"bsdinfo": None}, "bsdinfo of a zombie process is told"),
        ("visible_environments", "sh", {"environment_of": True}, "sh shows its environment"),
        ("visible_environments", "python", {"environment_of": False}, "python shows its environment"),
    ],
)
def test_a_rule_by_which_only_the_fakes_go_is_found(
    of_fakes: Recording, check: str, program: str, facts: Facts, rule: str
) -> None:
    found = differences(changed(of_fakes, check, program, **facts), of_fakes)

    assert [each.partition(":")[0] for each in found] == [rule]
