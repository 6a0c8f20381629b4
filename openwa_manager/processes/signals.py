"""Signals one very process, never another one that got its pid."""

import os
import signal
import sys
from contextlib import suppress

from openwa_manager.domain.session.session import Identity
from openwa_manager.processes.reading.identity import is_alive


def send_signal(identity: Identity, number: signal.Signals) -> bool:
    """Signal this very process; False when it is dead.

    Raises PermissionError when it belongs to somebody else.
    """
    if sys.platform == "linux":
        from openwa_manager.processes.exits import pidfd

        return pidfd.send(identity, number)
    else:  # noqa: RET505 mypy understands only this form
        return send_by_pid(identity, number)  # pragma: no cover (other systems)


def send_by_pid(identity: Identity, number: signal.Signals) -> bool:
    """Do the same where there are no pidfds; the gap between comparing and signalling is a few microseconds."""
    with suppress(ProcessLookupError):
        if is_alive(identity):
            os.kill(identity.pid, number)
            return True
    return False
