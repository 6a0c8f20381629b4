"""Signals to one very process, never to another one that got its pid; and the signals we are sent ourselves."""

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


def ending_signals() -> tuple[signal.Signals, ...]:
    """Return the signals that ask this program to end: SIGTERM always, SIGINT unless it was started to ignore it.

    A shell starts what a script runs in the background so (POSIX, Asynchronous Lists): Ctrl-C is meant for others then.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        return (signal.SIGTERM,)
    return (signal.SIGTERM, signal.SIGINT)


def restore_inherited() -> None:
    """Undo what a parent may have done to our signals and what our own children would inherit.

    A blocked SIGTERM would never reach us, and while SIGCHLD is ignored the system forgets how children ended. SIGHUP,
    by which a terminal that is closed ends what it started, does not end a daemon; engines do not inherit that.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, lambda *_: None)
