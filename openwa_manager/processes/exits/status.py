"""What wait(2) tells about the end of a process."""

import os

from openwa_manager.domain.session.session import Exit


def exit_of_status(status: int) -> Exit:
    """Return the meaning of a wait status."""
    return Exit(signal=os.WTERMSIG(status)) if os.WIFSIGNALED(status) else Exit(exit_code=os.WEXITSTATUS(status))


def reap_child(pid: int) -> Exit:
    """Return how our dead child ended, and free its pid; an empty Exit when it is no child of ours."""
    try:
        reaped_pid, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return Exit()
    return exit_of_status(status) if reaped_pid == pid else Exit()
