"""Does all checks, one after the other so that none disturbs another's figures, and prints a line for each."""

import json
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from openwa_manager.cli.selftest.checks import CHECKS
from openwa_manager.cli.selftest.facts import Facts, SelftestCheck
from openwa_manager.cli.selftest.guard import guarded_argv, run_guarded
from openwa_manager.cli.selftest.privacy import personal_texts, without_personal

#: How long all checks may take together.
WITHIN_S = 55.0
#: A check that would have less time than this is not begun.
_LEAST_S = 0.5


def run_selftest(
    write: Callable[[str], None], checks: Sequence[SelftestCheck] = CHECKS, within_s: float = WITHIN_S
) -> bool:
    """Write a line of JSON for each check and one for all; tell whether all could be done.

    Uses one temporary directory, which is removed.
    """
    begun_s, personal = time.monotonic(), personal_texts()
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="openwa-", ignore_cleanup_errors=True) as directory:
        for check in checks:
            left_s = begun_s + within_s - time.monotonic()
            facts = _facts_of(check, Path(directory, check.name), min(check.deadline_s, left_s))
            if "error" in facts:
                failed.append(check.name)
            line = {"check": check.name, "system": platform.system(), **facts}
            write(json.dumps(without_personal(line, personal)))
    summary = {
        "check": "summary",
        "system": platform.system(),
        "check_count": len(checks),
        "failed": failed,
        "took_s": round(time.monotonic() - begun_s, 1),
    }
    write(json.dumps(summary))
    return not failed


def _facts_of(check: SelftestCheck, place: Path, deadline_s: float) -> Facts:
    if deadline_s < _LEAST_S:
        return {"error": "no time was left"}
    place.mkdir()
    return run_guarded(guarded_argv(check, place, deadline_s), place, deadline_s)
