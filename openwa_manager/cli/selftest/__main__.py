"""Does one check and prints what it finds: `python -m openwa_manager.cli.selftest NAME DIRECTORY SECONDS`."""

import faulthandler
import json
import sys
import traceback
from pathlib import Path

from openwa_manager.cli.selftest.checks import CHECKS
from openwa_manager.cli.selftest.facts import Facts, error_name


def do_check(name: str, place: Path) -> int:
    """Do the check of this name, print its facts as they come, and return 0; 1 when it failed, with the reason."""
    check = next(each for each in CHECKS if each.name == name)
    try:
        for facts in check.measure(place):
            _print(facts)
    except Exception as error:  # noqa: BLE001 (whatever it is, it is what this check found)
        frames = traceback.extract_tb(error.__traceback__)
        _print(
            {
                "error": _text_of(error),
                "where": [f"{Path(each.filename).name}:{each.lineno} {each.name}" for each in frames],
            }
        )
        return 1
    return 0


def _text_of(error: Exception) -> str:
    """Return the error as a line; of a system error without the path that it is about."""
    if isinstance(error, OSError):
        return f"{type(error).__name__}: {error_name(error)}"
    return f"{type(error).__name__}: {error}"


def _print(facts: Facts) -> None:
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    _, wanted, directory, says_where_after_s = sys.argv
    faulthandler.dump_traceback_later(float(says_where_after_s))
    sys.exit(do_check(wanted, Path(directory)))
