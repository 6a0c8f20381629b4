"""Whatever order things happen in: at most one live engine per session, and in the end all is as it was asked for."""

import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.e2e.peers.daemon import SCANNED, Daemon
from tests.faults.chaos import Chaos

NAMES = st.sampled_from(["a", "b", "c"])
QUICK = {"PROBE_PERIOD_S": "0.5", "PROBE_TIMEOUT_S": "0.5", "STOP_GRACE_S": "0.5", "BACKOFF_FIRST_S": "0.1"}


class Life(RuleBasedStateMachine):
    """Requests, kills and restarts of a real daemon with real engines, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="owm-"))
        daemon = Daemon(home=self.folder / "home", engine_env=SCANNED, settings=QUICK)
        self.chaos = Chaos(daemon.__enter__())

    @precondition(lambda self: self.chaos.is_up)
    @rule(name=NAMES)
    def start(self, name: str) -> None:
        self.chaos.start(name)

    @precondition(lambda self: self.chaos.is_up)
    @rule(name=NAMES)
    def restart(self, name: str) -> None:
        if name in self.chaos.desired:
            self.chaos.restart(name)

    @precondition(lambda self: self.chaos.is_up)
    @rule(name=NAMES)
    def stop(self, name: str) -> None:
        if name in self.chaos.desired:
            self.chaos.stop(name)

    @precondition(lambda self: self.chaos.is_up)
    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        if name in self.chaos.desired:
            self.chaos.delete(name)

    @rule(name=NAMES, number=st.sampled_from([signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP]))
    def signal_engine(self, name: str, number: signal.Signals) -> None:
        self.chaos.signal_engine(name, number)

    @precondition(lambda self: self.chaos.is_up)
    @rule()
    def kill_daemon(self) -> None:
        self.chaos.kill_daemon()

    @precondition(lambda self: not self.chaos.is_up)
    @rule()
    def start_daemon(self) -> None:
        self.chaos.start_daemon()

    @invariant()
    def nobody_has_two_engines(self) -> None:
        self.chaos.require_one_owner()

    def teardown(self) -> None:
        try:
            if not self.chaos.is_up:
                self.chaos.start_daemon()
            self.chaos.require_healed()
        finally:
            self.chaos.daemon.__exit__(None, None, None)
            shutil.rmtree(self.folder, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_whatever_happens_there_is_one_engine_at_most_and_in_the_end_the_right_ones() -> None:
    Life.TestCase.settings = settings(
        max_examples=6,
        stateful_step_count=12,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    Life.TestCase().runTest()
