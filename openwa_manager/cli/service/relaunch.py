"""What a daemon does before it ends over something that only a person can put right, where launchd starts it again."""

import time

from openwa_manager.cli.errors import complain

#: launchd starts the job again whatever its exit code is (launchd.plist(5), KeepAlive), so the pause is ours.
_PAUSE_S = 300.0


def wait_for_person(pause_s: float = _PAUSE_S) -> None:
    """Return after a pause, so that the next attempt is not made at once; SIGTERM ends this process meanwhile.

    Blocks. What has to be put right was said before.
    """
    complain(
        f"the next attempt is in {pause_s:g} s, or at once after: launchctl kickstart -k (openwa-manager help install)"
    )
    time.sleep(pause_s)
