"""A world that carries out every command as the services do, and counts the engines that live in it."""

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from openwa_manager.domain.session.commands import End, Forget, Spawn
from openwa_manager.domain.session.reasons import ReasonCode, Words
from openwa_manager.domain.session.session import Exit, Identity, Launch, LaunchId
from openwa_manager.domain.session.stimuli import (
    DirectoryRemoved,
    EngineEnded,
    EngineReady,
    Launched,
    LaunchFailed,
    LaunchObservation,
    ProcessExited,
    Request,
    Resumed,
    SlotGranted,
    StartRequested,
    Stimulus,
)
from tests.domain.session.driver import (
    a_launch,
    an_identity,
)
from tests.domain.session.walks import CheckedDriver, P, exits, placed, requests, words


@dataclass
class _Process:
    launch: Launch
    identity: Identity


class World(RuleBasedStateMachine):
    """A world that carries out every command as the services do, and counts the engines that live in it."""

    def __init__(self) -> None:
        super().__init__()
        self.driver = CheckedDriver()
        self.driver.begin()
        self.spawning: Launch | None = None
        self.live: _Process | None = None
        self.to_end: set[LaunchId] = set()
        self.must_forget = False
        self.pids = 0

    def send(self, stimulus: Stimulus) -> None:
        self.driver.send(stimulus)
        self._carry_out()

    def _carry_out(self) -> None:
        for command in self.driver.commands:
            match command:
                case Spawn(launch=launch):
                    assert self.spawning is None, "two launches at once"
                    assert self.live is None, "a second live engine"
                    self.spawning = launch
                case End(launch=launch):
                    assert launch.identity is None or self.live is None or self.live.identity == launch.identity
                    self.to_end.add(launch.launch_id)
                case Forget():
                    assert self.live is None, "the directory of a live engine"
                    assert self.spawning is None, "the directory of an engine to come"
                    self.must_forget = True
                case _:
                    pass
        self.driver.commands.clear()

    @rule(request=requests)
    def somebody_asks(self, request: Request) -> None:
        self.send(request)

    @precondition(lambda self: self.driver.session.process is P.STOPPED)
    @rule()
    def somebody_starts(self) -> None:
        self.send(StartRequested())

    @precondition(lambda self: self.driver.session.process is P.STARTING and self.driver.session.launch is None)
    @rule()
    def a_slot_is_free(self) -> None:
        self.send(SlotGranted(launch=a_launch(self.driver.session.launch_count + 1, self.driver.at)))

    @precondition(lambda self: self.spawning is not None)
    @rule(fails=st.booleans())
    def the_spawn_is_done(self, fails: bool) -> None:
        assert self.spawning is not None
        launch, self.spawning = self.spawning, None
        if fails:
            self.send(LaunchFailed(launch_id=launch.launch_id, code=ReasonCode.LAUNCH_FAILED, facts=Words(text="")))
            return
        self.pids += 1
        self.live = _Process(launch, an_identity(self.pids))
        self.send(Launched(launch_id=launch.launch_id, identity=self.live.identity))

    @precondition(lambda self: self.live is not None and self.driver.session.process is P.STARTING)
    @rule()
    def the_engine_is_ready(self) -> None:
        self.send(EngineReady(launch_id=self.driver.launch_id))

    @precondition(lambda self: self.live is not None)
    @rule(word=words)
    def the_engine_speaks(self, word: LaunchObservation) -> None:
        self.send(placed(word, self.driver))

    @precondition(lambda self: self.live is not None)
    @rule(ended=exits)
    def the_engine_dies(self, ended: Exit) -> None:
        assert self.live is not None
        launch_id, self.live = self.live.launch.launch_id, None
        self.send(ProcessExited(launch_id=launch_id, exit=ended))

    @precondition(lambda self: self.to_end)
    @rule()
    def the_engine_is_proven_dead(self) -> None:
        launch_id = self.to_end.pop()
        if self.live is not None and self.live.launch.launch_id == launch_id:
            self.live = None
        self.send(EngineEnded(launch_id=launch_id, exit=Exit()))

    @rule(with_engine=st.booleans(), seconds=st.sampled_from([0.0, 100.0, 5000.0]))
    def the_daemon_dies_and_comes_back(self, with_engine: bool, seconds: float) -> None:
        if with_engine:
            self.live = None
        self.spawning, self.must_forget = None, False  # a spawn that was not begun never comes
        self.to_end.clear()
        self.driver.sleep_daemon(seconds)
        found = self.live.identity if self.live else None
        self.send(Resumed(is_alive=found is not None, identity=found, at_daemon_start=with_engine))

    @precondition(lambda self: self.spawning is not None)
    @rule()
    def the_daemon_dies_right_after_the_spawn(self) -> None:
        assert self.spawning is not None
        self.pids += 1
        self.live = _Process(self.spawning, an_identity(self.pids))
        self.the_daemon_dies_and_comes_back(with_engine=False, seconds=1.0)

    @precondition(lambda self: self.must_forget)
    @rule()
    def the_directory_is_gone(self) -> None:
        self.must_forget = False
        self.send(DirectoryRemoved())
        assert self.driver.is_gone
        self.driver = CheckedDriver()
        self.driver.begin()

    @rule(seconds=st.sampled_from([1.0, 21.0, 61.0, 200.0, 2000.0]), is_offline=st.booleans(), is_asleep=st.booleans())
    def time_passes(self, seconds: float, is_offline: bool, is_asleep: bool) -> None:
        self.driver.is_offline = is_offline
        (self.driver.sleep_host if is_asleep else self.driver.wait)(seconds)
        self._carry_out()

    @invariant()
    def no_engine_is_out_of_sight(self) -> None:
        launch = self.driver.session.launch
        if self.live is not None:
            assert launch is not None
            assert launch.launch_id == self.live.launch.launch_id
            assert launch.identity == self.live.identity
        if self.spawning is not None:
            assert launch is not None
            assert launch.launch_id == self.spawning.launch_id

    @invariant()
    def every_ending_is_under_way(self) -> None:
        session = self.driver.session
        if session.process is P.STOPPING:
            assert self.spawning is not None or self.to_end or self.must_forget


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=50, stateful_step_count=50, deadline=None)


class WorldAtLength(World):
    """The same, on more and other ways."""


TestWorldAtLength = pytest.mark.slow(WorldAtLength.TestCase)
TestWorldAtLength.settings = settings(max_examples=500, stateful_step_count=50, deadline=None, derandomize=False)
