"""What wait(2) tells about the end of a process."""

import os

from openwa_manager.domain.session.session import Exit, Identity
from openwa_manager.processes.reading.identity import identity_of


def exit_of_status(status: int) -> Exit:
    """Return the meaning of a wait status."""
    return Exit(signal=os.WTERMSIG(status)) if os.WIFSIGNALED(status) else Exit(exit_code=os.WEXITSTATUS(status))


def reap_child(identity: Identity) -> Exit | None:
    """Return how our dead child ended, and free its pid; an empty Exit when it is no child of ours, or reaped already.

    None: it is our child and has not ended yet, whatever else says so.
    """
    if _is_gone(identity):
        return Exit()
    try:
        reaped_pid, status = os.waitpid(identity.pid, os.WNOHANG)
    except ChildProcessError:
        return Exit()
    return exit_of_status(status) if reaped_pid == identity.pid else None


def _is_gone(identity: Identity) -> bool:
    """Tell whether the process was reaped: its number may be another child's by now."""
    try:
        return identity_of(identity.pid) != identity
    except OSError:  # too many open files: nothing speaks against it
        return False
