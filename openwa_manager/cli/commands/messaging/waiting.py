"""Asks again and again until something has ended, and shows how far it is meanwhile."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from openwa_manager.cli.errors import NotReachableError
from openwa_manager.cli.following import PATIENCE_S
from openwa_manager.cli.terminal.progress import ProgressLine

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

#: Soon at first, for most messages leave at once; then no more often than a key with limits allows.
_PAUSE_FIRST_S, _PAUSE_MAX_S, _SLOWER = 0.1, 2.0, 1.3


def wait_until(
    ask: "Callable[[], Json]", is_over: "Callable[[Json], bool]", said: "Callable[[Json], str]", within_s: float
) -> "Json":
    """Return the first answer by which it is over, or the last one within that time.

    A daemon may be away for a minute, as while it is upgraded. `said` puts an answer into a line for people.

    Raises:
        NotReachableError: no daemon answered for longer.
        SessionNotFoundError | CommandFailedError: there is nothing to wait for.
    """
    began_s = heard_s = time.monotonic()
    pause_s = _PAUSE_FIRST_S
    with ProgressLine(sys.stderr) as line:
        while True:
            now_s = time.monotonic()
            left_s = began_s + within_s - now_s
            try:
                answer = ask()
            except NotReachableError as error:
                if left_s <= 0 or now_s - heard_s > PATIENCE_S:
                    raise
                line.show(f"trying again: {error}")
            else:
                heard_s = now_s
                if left_s <= 0 or is_over(answer):
                    return answer
                line.show(said(answer))
            time.sleep(max(0.0, min(pause_s, left_s)))
            pause_s = min(pause_s * _SLOWER, _PAUSE_MAX_S)
