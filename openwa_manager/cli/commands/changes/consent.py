"""Asks a person before something is done that cannot be undone; where nobody can be asked, `--yes` must say so."""

import sys
from collections.abc import Sequence

from openwa_manager.cli.errors import CommandFailedError, UsageError
from openwa_manager.cli.terminal.texts import cell, wrapped
from openwa_manager.cli.terminal.window import window_width

_NAMED_MAX = 10


def require_yes(question: str, ids: Sequence[str] = (), *, is_given: bool) -> None:
    """Return once a person has said yes, or said so before with `--yes`; the ids are shown to them.

    Raises:
        UsageError: nobody can be asked.
        CommandFailedError: they said anything else.
    """
    if is_given:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody can be asked here: say so with --yes")
    more = f"    and {len(ids) - _NAMED_MAX:,} more\n" if len(ids) > _NAMED_MAX else ""
    named = "".join(f"    {cell(each)}\n" for each in ids[:_NAMED_MAX])
    asked = wrapped(question, window_width(sys.stderr))
    print(f"{named}{more}{asked}\nType yes to go on: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() != "yes":
        raise CommandFailedError("nothing was done")
