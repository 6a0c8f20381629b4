"""Restarts sessions one after the other: the next one only once the last is again what it was."""

import sys
import time
from collections.abc import Sequence
from typing import cast

from openwa_manager.cli.command import Invocation, path_of_session
from openwa_manager.cli.commands.changes.together import OutcomeLines, SessionOutcome, outcome_of_error
from openwa_manager.cli.commands.sessions import GIVEN_UP, Session
from openwa_manager.cli.terminal.progress import ProgressLine
from openwa_manager.domain.errors import OpenwaManagerError

_POLL_S = 0.2
#: What a session that showed a code, or did not run, may come back as.
_AS_GOOD = ("connected", "qr_ready")


def restart_in_turn(invocation: Invocation, ids: Sequence[str], within_s: float) -> int | None:
    """Restart each, and wait up to `within_s` for it; stop at the first that does not come back; return 1 then."""
    lines = OutcomeLines(invocation, ids)
    for place, session_id in enumerate(ids):
        try:
            outcome = _restart(invocation, session_id, within_s, f"{place + 1} of {len(ids)}")
        except OpenwaManagerError as error:
            outcome = outcome_of_error(session_id, error)
        lines.add(outcome)
        if outcome.has_failed:
            for left in ids[place + 1 :]:
                lines.add(SessionOutcome(left, "left as it was"))
            break
    return lines.end()


def _restart(invocation: Invocation, session_id: str, within_s: float, place: str) -> SessionOutcome:
    client, path, began_s = invocation.client, path_of_session(session_id), time.monotonic()
    before = cast("Session", client.get(path))["status"]
    wanted = ("connected",) if before in ("connected", "disconnected", "restarting") else _AS_GOOD
    client.post(f"{path}/restart")
    with ProgressLine(sys.stderr) as line:
        while True:
            session = cast("Session", client.get(path))
            status, waited_s = session["status"], time.monotonic() - began_s
            if status in wanted:
                return SessionOutcome(session_id, status, detail=f"after {waited_s:.0f} s")
            if status in GIVEN_UP or waited_s > within_s:
                why = session["reason"]["detail"] if session["reason"] else "no reason is known"
                return SessionOutcome(
                    session_id, status, has_failed=True, detail=f"was {before}; {waited_s:.0f} s: {why}"
                )
            line.show(f"{place}: {session_id} is {status}, {waited_s:.0f} s")
            time.sleep(_POLL_S)
