"""What `openwa-manager doctor --selftest` printed on real hosts, and what follows from it.

A recording is laid as `<linux or macos>/<version>-<arch>.json`. It says three things: whether our parsers make of the
raw bytes what was seen there by other means (`contradictions`), whether what we promise held there (`broken_promises`),
and by which rules the system goes (`rules`), which those that stand in for macOS must go by too.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import cast

from openwa_manager.cli.selftest.checks.watches import CHANGES
from openwa_manager.cli.selftest.facts import Facts
from openwa_manager.processes.reading import procfs
from openwa_manager.processes.reading.darwin import parsing

HERE = Path(__file__).parent
FOLDERS = {"Linux": "linux", "Darwin": "macos"}
PATHS = sorted(HERE.glob("*/*.json"))
OF_MACOS = [path for path in PATHS if path.parent.name == FOLDERS["Darwin"]]

#: The facts of a run, by check.
Recording = Mapping[str, Facts]

_PARTS = ("live", "zombie", "first")
#: Programs of Apple's own, and others.
_PROGRAMS = ("python", "node", "sh", "bash", "zsh", "sleep")
#: A launch's lock has a number up to this one.
_HIGHEST_LOCK = 15
_CLOCK_STEP_S = 5.0


def read_recording(path: Path) -> Recording:
    """Return a recording: one JSON document a line."""
    parsed = [cast("Facts", json.loads(line)) for line in path.read_text("utf-8").splitlines()]
    return {str(each["check"]): each for each in parsed}


def part(facts: Facts, name: str) -> Facts:
    """Return facts that stand in others; none where they are null or missing."""
    found = facts.get(name)
    return found if isinstance(found, Mapping) else {}


def raw(facts: Facts, name: str) -> bytes | None:
    """Return the bytes that stand there as hex digits; None where the system told none."""
    digits = facts.get(name)
    return bytes.fromhex(digits) if isinstance(digits, str) else None


def contradictions(recording: Recording) -> list[str]:
    """Return where our parsers say of the raw bytes what was not so."""
    info = recording["process_info"]
    return [f"{name}: {what}" for name in _PARTS for what in _misread(part(info, name))]


def _misread(process: Facts) -> Iterator[str]:
    told: list[tuple[str, object, object]] = []
    if (stat := raw(process, "stat")) is not None:
        read = procfs.parse_stat(stat)
        told += _as_noted(process, ppid=read.ppid, started=read.started, is_dead=read.is_dead)
    if (bsdinfo := raw(process, "bsdinfo")) is not None:
        who = parsing.parse_bsdinfo(bsdinfo)
        told += _as_noted(process, pid=who.pid, ppid=who.ppid, started=who.started, is_dead=who.is_dead)
        told += [("psutil's start", process["psutil_started_us"], who.started)]
    if (taskallinfo := raw(process, "taskallinfo")) is not None:
        task = parsing.parse_taskallinfo(taskallinfo)
        told += _as_noted(process, pid=task.who.pid, started=task.who.started)
        told += [("resident", True, task.resident_bytes > 0)]
    if (rusage := raw(process, "rusage_info_v2")) is not None:
        told += [("footprint", True, parsing.parse_footprint(rusage) > 0 or bool(process["is_dead"]))]
    return (f"{name} is {noted!r}, and was read as {read}" for name, noted, read in told if noted != read)


def _as_noted(process: Facts, **read: object) -> list[tuple[str, object, object]]:
    return [(name, process[name], value) for name, value in read.items()]


def broken_promises(recording: Recording) -> list[str]:
    """Return what our own functions did not hold there."""
    return [name for name, is_kept in _promises(recording).items() if not is_kept]


def _promises(recording: Recording) -> Mapping[str, bool]:
    order, ours, orphan = (recording[name] for name in ("exit_order", "our_exits", "orphan_exit"))
    lock, shells = recording["lock_through_children"], ("sh", "bash")
    listeners = [part(recording["bind_beside_wildcard"], name) for name in ("loopback", "wildcard", "wildcard6")]
    watches = [part(recording["qr_watch"], count) for count in ("1", "20", "100")]
    files, handed_on, spellings = (recording[name] for name in ("open_files", "handed_on", "path_spelling"))
    return {
        "a start stays the same across exec": all(
            part(recording["start_across_exec"], name).get("is_same") for name in ("python", "sh")
        ),
        "every exit was awaited": order["count"] == 300,
        "our source tells every exit, and rightly": (ours["right_count"], ours["missed_count"]) == (ours["count"], 0),
        "the exit code of an orphan is known": part(orphan, "exits").get("exit_code") == 7,
        "the signal that ended an orphan is known": part(orphan, "killed").get("signal") == 9,
        "a child holds the lock it was given, until it ends": bool(lock["is_held_by_child"])
        and not lock["is_held_afterwards"],
        "whoever holds a lock is found": bool(lock["child_is_found"]) and not lock["we_are_found"],
        "and in a scan of all": bool(lock["child_is_in_table"]),
        "a lock outlives a shell in what it started": all(
            part(lock, shell).get("is_held_by_grandchild") for shell in shells if lock[shell] is not None
        ),
        "Node keeps a lock to itself": all(number > _HIGHEST_LOCK for number in _numbers(handed_on["node"])),
        "a path that is found is spelled as on the disk": all(
            part(spellings, name)["is_spelled_as_made"] and part(spellings, name)["is_below_the_real_path"]
            for name in ("same", "case", "normal_form")
            if part(spellings, name)["is_found"]
        ),
        "no port is given out that is answered": not any(each.get("pool_says_free") for each in listeners),
        "every code is seen": all(each.get("missed_count") == 0 for each in watches),
        "the limit of open files is raised": files["raise_file_limit"] == "ok",
        "the boot clock counts sleep": abs(_number(recording["clocks"]["our_boot_clock_ahead_of_boot_time_s"]))
        < _CLOCK_STEP_S,
    }


def _numbers(value: object) -> Iterable[int]:
    return cast("list[int]", value) if isinstance(value, list) else ()


def _number(value: object) -> float:
    return value if isinstance(value, int | float) else 0.0


def rules(recording: Recording) -> Mapping[str, object]:
    """Return by which rules a system like macOS goes, as far as this recording tells."""
    info, shown = recording["process_info"], recording["visible_environments"]
    told: dict[str, object] = {
        f"{structure} of a {name} process is told": raw(part(info, name), structure) is not None
        for name in ("live", "zombie")
        for structure in ("bsdinfo", "taskallinfo", "rusage_info_v2")
    }
    told |= {
        f"{structure} of a {name} process is refused": part(part(info, name), "refused").get(structure)
        for name in ("live", "zombie")
        for structure in ("bsdinfo", "taskallinfo", "rusage_info_v2")
    }
    if not recording["system"]["is_root"]:
        told["bsdinfo of another's process is refused"] = part(part(info, "first"), "refused").get("bsdinfo")
        told["bsdinfo of another's process is told"] = raw(part(info, "first"), "bsdinfo") is not None
    shows = {f"{name} shows its environment": bool(part(shown, name)["environment_of"]) for name in _shown(shown)}
    exits: dict[str, object] = {
        "an exit is announced before it can be reaped": _number(recording["exit_order"]["early_count"]) > 0,
        "the end of an orphan": recording["orphan_exit"]["kevents"],
    }
    notes = {f"notes of {name}": notes for name, notes in recording["directory_notes"].items() if name in CHANGES}
    return told | shows | exits | notes


def _shown(shown: Facts) -> list[str]:
    return [name for name in _PROGRAMS if part(shown, name)]


def differences(recording: Recording, stand_in: Recording) -> list[str]:
    """Return the rules by which a system and what stands in for it do not both go."""
    theirs = rules(stand_in)
    return [
        f"{name}: {value!r}, but in the fakes {theirs[name]!r}"
        for name, value in rules(recording).items()
        if name in theirs and theirs[name] != value
    ]
