from pathlib import Path

import pytest

from tests.e2e.peers.daemon import Daemon


def test_a_daemon_that_is_not_ready_in_time_is_ended(tmp_path: Path) -> None:
    daemon = Daemon(home=tmp_path / "home", ready_within_s=0)

    with pytest.raises(AssertionError, match="not within 0 s"), daemon:
        pass

    assert daemon.process is not None
    assert daemon.process.poll() is not None
