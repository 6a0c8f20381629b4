"""Runs one check in a process of its own, and cuts it when it takes too long: a call may hang for ever.

A thread could not be cut, and a call that hangs with Python's lock held would stop every other thread too. The check
writes into a file and not into a pipe, which whatever it started could hold open. Shortly before its deadline it writes
where it is, from a thread that needs no lock (`faulthandler`).
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from openwa_manager.cli.selftest.facts import Facts, SelftestCheck, rounded_ms
from openwa_manager.domain import foreign_json
from openwa_manager.domain.errors import UnreadableJsonError

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

#: A process that was killed is gone by then, unless it waits for a device; then it is left alone.
_KILLED_WITHIN_S = 1.0
#: At which part of its time a check says where it is.
SAYS_WHERE_AT = 0.9
#: How faulthandler and tracebacks name a place; what comes before the file's own name is not told.
_PLACE = re.compile(r'File ".*?([^/"]+)", line (\d+),? in (\w+|<\w+>)')
_PLACES_MAX = 12


def run_guarded(argv: Sequence[str], place: Path, deadline_s: float) -> Facts:
    """Return what the program printed, which is a line of JSON for each part of its facts; `error` if it failed.

    It is ended, with all it started, once it has taken `deadline_s`; then what it printed until then counts.
    """
    begun_s = time.monotonic()
    printed, complaints = place / "printed", place / "complaints"
    with printed.open("xb") as out, complaints.open("xb") as err:
        child = subprocess.Popen(  # noqa: S603 (our own argv)
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=place, start_new_session=True
        )
        try:
            code = child.wait(deadline_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end_all(child)
    facts: dict[str, Json] = {**_merged(printed.read_bytes()), "took_ms": rounded_ms(time.monotonic() - begun_s)}
    if code == 0:
        return facts
    what = f"cut after {deadline_s:.1f} s" if code is None else _how_it_ended(code)
    places = places_in(complaints.read_text("utf-8", "replace"))
    return {"error": what, "where": places} | facts


def guarded_argv(check: SelftestCheck, place: Path, deadline_s: float) -> tuple[str, ...]:
    """Return the program that does this check in `place`."""
    module = "openwa_manager.cli.selftest"
    return (sys.executable, "-P", "-m", module, check.name, str(place), f"{deadline_s * SAYS_WHERE_AT:.3f}")


def places_in(complaints: str) -> list[str]:
    """Return where a program was, by what faulthandler wrote: `file.py:line function`, without any directory."""
    return [f"{name}:{line} {function}" for name, line, function in _PLACE.findall(complaints)[:_PLACES_MAX]]


def _end_all(child: subprocess.Popen[bytes]) -> None:
    """Kill the program, if it still runs, and what it left behind in its group."""
    with suppress(ProcessLookupError, PermissionError):  # of an empty group, Linux and macOS
        os.killpg(child.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        child.wait(_KILLED_WITHIN_S)


def _how_it_ended(code: int) -> str:
    return f"ended by signal {-code}" if code < 0 else f"exit code {code}"


def _merged(printed: bytes) -> Facts:
    """Return all facts together; a last line that was cut is left out."""
    facts: dict[str, Json] = {}
    for line in printed.splitlines():
        with suppress(UnreadableJsonError):
            part = foreign_json.parse(line)
            facts |= part if isinstance(part, Mapping) else {}
    return facts
