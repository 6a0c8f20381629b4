"""What ends a daemon that was started with signals ignored or blocked."""

import signal
from collections.abc import Callable

from tests.e2e.peers.daemon import Daemon
from tests.fakes.process import handing_on

Serve = Callable[..., Daemon]


def test_sigterm_ends_a_daemon_that_was_started_to_ignore_it(serve: Serve) -> None:
    with handing_on(ignored={signal.SIGTERM}):
        daemon = serve()

    assert daemon.terminate() == 0


def test_sigterm_ends_a_daemon_that_was_started_with_it_blocked(serve: Serve) -> None:
    with handing_on(blocked={signal.SIGTERM}):
        daemon = serve()

    assert daemon.terminate() == 0


def test_a_daemon_in_the_background_of_a_script_survives_ctrl_c(serve: Serve) -> None:
    with handing_on(ignored={signal.SIGINT}):
        daemon = serve()
    assert daemon.process is not None

    daemon.process.send_signal(signal.SIGINT)

    assert [daemon.ask("GET", "/readyz").status for _ in range(10)] == [200] * 10


def test_a_daemon_outlives_the_terminal_it_was_started_in(serve: Serve) -> None:
    daemon = serve()
    assert daemon.process is not None

    daemon.process.send_signal(signal.SIGHUP)

    assert [daemon.ask("GET", "/readyz").status for _ in range(10)] == [200] * 10
    assert daemon.terminate() == 0
