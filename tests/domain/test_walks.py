"""Random walks: whatever happens in whatever order, the promises of the design hold after every step."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from openwa_manager.domain.commands import End, Forget, Spawn
from openwa_manager.domain.events import UNNUMBERED, Event
from openwa_manager.domain.lifecycle import TRANSITIONS, Decided, Dropped, Refused
from openwa_manager.domain.restart import AFTER
from openwa_manager.domain.scene import Scene, move
from openwa_manager.domain.session import (
    Desired,
    Exit,
    Identity,
    Launch,
    LaunchId,
    LinkState,
    ProcessState,
    ReasonCode,
    Session,
    Status,
)
from openwa_manager.domain.stimuli import (
    ChangeRequested,
    Deadline,
    DeadlinePassed,
    DeleteRequested,
    DirectoryRemoved,
    EngineEnded,
    EngineEventReceived,
    EngineFaulted,
    EngineReady,
    Launched,
    LaunchFailed,
    LaunchObservation,
    LifeSeen,
    LinkReport,
    LinkReported,
    LogoutRequested,
    MessageAcknowledged,
    Observation,
    ProcessExited,
    QrProduced,
    Request,
    RestartRequested,
    Restricted,
    Resumed,
    SlotDelayed,
    SlotGranted,
    StartRequested,
    Stimulus,
    StopRequested,
    TruthWanted,
)
from tests.domain.stage import (
    AT,
    Answer,
    Stage,
    a_launch,
    a_session,
    an_identity,
    authenticating,
    backing_off,
    banned,
    booting,
    connected,
    deleting,
    failed,
    queued,
    running,
    showing_code,
    spawning,
    stopping,
)

P, L = ProcessState, LinkState
STICKY = (L.BANNED, L.LOGGED_OUT)
GONE_FOR_GOOD = (ReasonCode.QR_EXPIRED, ReasonCode.BANNED, ReasonCode.LOGGED_OUT)

exits = st.builds(Exit, exit_code=st.none() | st.integers(0, 255), signal=st.none() | st.integers(1, 31))
requests = st.one_of(
    st.just(StartRequested()),
    st.builds(StopRequested, until_start=st.booleans()),
    st.just(RestartRequested()),
    st.just(LogoutRequested()),
    st.builds(DeleteRequested, keep_data=st.booleans()),
    st.builds(lambda label: ChangeRequested(spec=replace(a_session().spec, labels={"a": label})), st.text(max_size=1)),
)


HERE = st.just(LaunchId("here"))
texts = st.sampled_from(["", "x"])
#: What can be observed of one launch; times are told relative to the moment it is played.
words = st.one_of(
    st.builds(EngineReady, launch_id=HERE, inner_id=st.none() | texts),
    st.builds(EngineFaulted, launch_id=HERE, code=st.sampled_from(sorted(AFTER)), detail=texts),
    st.builds(
        LinkReported,
        launch_id=HERE,
        link=st.sampled_from(LinkReport),
        detail=texts,
        phone_number=st.none() | texts,
        push_name=st.none() | texts,
    ),
    st.builds(
        QrProduced,
        launch_id=HERE,
        image=st.just(b""),
        sha256=st.sampled_from("abc"),
        produced_at=st.sampled_from([-1e6, -30.0, 0.0]),
        expires_at=st.none() | st.sampled_from([-1.0, 5.0]),
    ),
    st.builds(Restricted, launch_id=HERE, is_active=st.booleans(), kind=texts, detail=texts),
    st.builds(MessageAcknowledged, launch_id=HERE, message_id=texts, fate=st.sampled_from(["sent", "failed"])),
    st.builds(EngineEventReceived, launch_id=HERE, type=st.just("group.join"), data=st.just({})),
    st.builds(LifeSeen, launch_id=HERE),
    st.builds(TruthWanted, launch_id=HERE),
)
of_launch = words | st.one_of(
    st.builds(Launched, launch_id=HERE, identity=st.integers(1, 9).map(an_identity)),
    st.builds(LaunchFailed, launch_id=HERE, code=st.sampled_from(ReasonCode), detail=texts),
    st.builds(ProcessExited, launch_id=HERE, exit=exits, log_tail=st.sampled_from(["", "EADDRINUSE"])),
    st.builds(EngineEnded, launch_id=HERE, exit=exits),
)
of_no_launch = st.one_of(
    st.builds(Resumed, is_alive=st.just(True), identity=st.integers(1, 9).map(an_identity)),
    st.builds(Resumed, is_alive=st.just(False), host_rebooted=st.booleans(), exit=exits),
    st.just(SlotGranted(launch=a_launch(1, AT))),
    st.builds(SlotDelayed, code=st.sampled_from([ReasonCode.MEMORY_LOW, ReasonCode.DISK_FULL]), detail=st.just("")),
    st.just(DirectoryRemoved()),
    st.builds(DeadlinePassed, deadline=st.sampled_from(Deadline)),
)
pauses_s = st.sampled_from([0.0, 0.5, 21.0, 61.0, 200.0, 2000.0])
walks = st.lists(
    st.tuples(of_launch | of_launch | of_no_launch | requests, pauses_s, st.floats(0, 1, exclude_max=True)), max_size=50
)


STARTS = [
    Stage(),
    *(
        make()
        for make in (
            queued,
            spawning,
            booting,
            running,
            showing_code,
            authenticating,
            connected,
            backing_off,
            failed,
            stopping,
            deleting,
            banned,
        )
    ),
]


def placed(stimulus: Stimulus, stage: Stage) -> Stimulus:
    """Return what was drawn as it happens here and now: of the current launch, at this time."""
    launch = stage.session.launch
    match stimulus:
        case SlotGranted():
            return SlotGranted(launch=a_launch(stage.session.launch_count + 1, stage.at))
        case QrProduced() if launch is not None:
            expires_at = None if stimulus.expires_at is None else stage.at + stimulus.expires_at
            produced_at = stage.at + stimulus.produced_at
            return replace(stimulus, launch_id=launch.launch_id, produced_at=produced_at, expires_at=expires_at)
        case LaunchObservation() if launch is not None:
            return replace(stimulus, launch_id=launch.launch_id)
        case _:
            return stimulus


def word_for(session: Session) -> Status:
    """Return the public word by the table in DESIGN.md, written down a second time."""
    match session.process, session.link:
        case P.STOPPED, (L.BANNED | L.LOGGED_OUT) as link:
            return Status(link.value)
        case P.STARTING | P.RUNNING, L.UNKNOWN:
            return Status.CREATING
        case P.STARTING | P.RUNNING, link:
            return Status(link.value)
        case P.BACKOFF, _:
            return Status.RESTARTING
        case process, _:
            return Status(process.value)


def assert_is_whole(session: Session) -> None:
    """Assert what holds of every session in every state."""
    is_up = session.process in (P.STARTING, P.RUNNING)
    assert session.status is word_for(session)
    assert (session.link in STICKY) <= (session.process in (P.STOPPED, P.STOPPING))
    assert is_up or session.link is L.UNKNOWN or session.link in STICKY
    assert (session.ending is not None) is (session.process is P.STOPPING)
    assert session.launch is None or session.process in (P.STARTING, P.RUNNING, P.STOPPING)
    assert session.process is not P.RUNNING or session.pid is not None
    assert session.qr is None or (is_up and session.link is L.QR_READY)
    assert (session.connected_at is not None) is (session.link is L.CONNECTED)
    assert session.link is not L.DISCONNECTED or session.reason is not None
    assert (session.restarts.next_at is not None) is (session.process in (P.BACKOFF, P.FAILED))
    assert session.process is not P.FAILED or session.restarts.is_slow
    assert session.launch is None or session.launch.number == session.launch_count


def assert_is_stale_or_refused(before: Session, stimulus: Stimulus, answer: Answer) -> None:
    """Assert that what does not fit is answered as it should be."""
    if before.process not in TRANSITIONS[type(stimulus)]:
        assert isinstance(answer, Refused if isinstance(stimulus, Request) else Dropped)
    assert not (isinstance(answer, Refused) and isinstance(stimulus, Observation))
    assert not (isinstance(answer, Dropped) and isinstance(stimulus, Request))


def assert_follows(before: Session, stimulus: Stimulus, decided: Decided) -> None:
    """Assert what holds of every decision."""
    after = decided.session
    assert after.process in TRANSITIONS[type(stimulus)][before.process]
    assert after.launch_count - before.launch_count == sum(isinstance(each, Spawn) for each in decided.commands)
    assert_are_numbered(before.event_seq, after.event_seq, decided.events)
    assert all(step.at == after.updated_at for step in decided.steps)
    if after.reason != before.reason and after.process is P.STOPPING and after.reason is not None:
        assert after.reason.code not in GONE_FOR_GOOD or after.desired is Desired.STOPPED
    if after.qr is not None and after.qr != before.qr:
        assert isinstance(stimulus, QrProduced)
        assert before.launch is not None
        assert before.link not in (L.CONNECTED, L.AUTHENTICATING)
        assert before.qr is None or before.qr.sha256 != after.qr.sha256
        assert after.qr.produced_at >= before.launch.launched_at
    if decided.is_gone:
        assert before.launch is None
    if after.status is not before.status:
        assert sum(event.type == "session.status" for event in decided.events) == 1


def assert_are_numbered(first: int, last: int, events: tuple[Event, ...]) -> None:
    """Assert that the numbers have no gaps and that only what may overtake has none."""
    numbered = [event.session_seq for event in events if event.type not in UNNUMBERED]
    assert numbered == list(range(first + 1, last + 1))
    assert all(event.session_seq is None for event in events if event.type in UNNUMBERED)


class CheckedStage(Stage):
    """A stage on which every single decision is examined."""

    def decide(self, stimulus: Stimulus) -> Answer:
        before = self.session
        answer = super().decide(stimulus)
        assert_is_stale_or_refused(before, stimulus, answer)
        if isinstance(answer, Decided):
            assert_follows(before, stimulus, answer)
        else:
            assert self.session == before
        assert_is_whole(self.session)
        return answer


@settings(max_examples=500, deadline=None)
@given(start=st.sampled_from(STARTS), walk=walks)
def test_whatever_happens_in_whatever_order_a_session_stays_whole(
    start: Stage, walk: list[tuple[Stimulus, float, float]]
) -> None:
    stage = CheckedStage(session=start.session, deadlines=start.deadlines, at=start.at, boot_s=start.boot_s)

    for stimulus, pause_s, chance in walk:
        stage.chance = chance
        stage.play(placed(stimulus, stage))
        stage.wait(pause_s)
        if stage.is_gone:
            return


@given(stimulus=of_launch, process=st.sampled_from(ProcessState), number=st.none() | st.just(2))
def test_a_stale_observation_is_dropped_in_every_state(
    stimulus: LaunchObservation, process: ProcessState, number: int | None
) -> None:
    launch = None if number is None else a_launch(number, AT)
    stage = Stage(session=replace(a_session(), process=process, launch=launch))
    before = stage.session

    stage.play(stimulus)

    assert isinstance(stage.answer, Dropped)
    assert stage.session == before


@given(st.sampled_from(sorted(TRANSITIONS, key=lambda kind: kind.__name__)))
def test_every_row_of_the_table_has_its_move(kind: type[Stimulus]) -> None:
    assert move.dispatch(kind) is not move.dispatch(object)


def test_every_stimulus_has_its_row() -> None:
    kinds = _leaves(Request) | _leaves(Observation)

    assert kinds == {kind.__name__ for kind in TRANSITIONS}


def _leaves(kind: type[object]) -> set[str]:
    """Return the names of the last classes below one; a class with slots is made twice, so only its name counts."""
    below = _below(kind)
    return {each.__name__ for each in below} - {each.__name__ for each in below if each.__subclasses__()}


def _below(kind: type[object]) -> set[type[object]]:
    return {each for child in kind.__subclasses__() for each in (child, *_below(child))}


@dataclass
class _Process:
    launch: Launch
    identity: Identity


class World(RuleBasedStateMachine):
    """A world that carries out every command as the services do, and counts the engines that live in it."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = CheckedStage()
        self.stage.begin()
        self.spawning: Launch | None = None
        self.live: _Process | None = None
        self.to_end: set[LaunchId] = set()
        self.must_forget = False
        self.pids = 0

    def play(self, stimulus: Stimulus) -> None:
        self.stage.play(stimulus)
        self._carry_out()

    def _carry_out(self) -> None:
        for command in self.stage.commands:
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
        self.stage.commands.clear()

    @rule(request=requests)
    def somebody_asks(self, request: Request) -> None:
        self.play(request)

    @precondition(lambda self: self.stage.session.process is P.STOPPED)
    @rule()
    def somebody_starts(self) -> None:
        self.play(StartRequested())

    @precondition(lambda self: self.stage.session.process is P.STARTING and self.stage.session.launch is None)
    @rule()
    def a_slot_is_free(self) -> None:
        self.play(SlotGranted(launch=a_launch(self.stage.session.launch_count + 1, self.stage.at)))

    @precondition(lambda self: self.spawning is not None)
    @rule(fails=st.booleans())
    def the_spawn_is_done(self, fails: bool) -> None:
        assert self.spawning is not None
        launch, self.spawning = self.spawning, None
        if fails:
            self.play(LaunchFailed(launch_id=launch.launch_id, code=ReasonCode.LAUNCH_FAILED, detail=""))
            return
        self.pids += 1
        self.live = _Process(launch, an_identity(self.pids))
        self.play(Launched(launch_id=launch.launch_id, identity=self.live.identity))

    @precondition(lambda self: self.live is not None and self.stage.session.process is P.STARTING)
    @rule()
    def the_engine_is_ready(self) -> None:
        self.play(EngineReady(launch_id=self.stage.launch_id))

    @precondition(lambda self: self.live is not None)
    @rule(word=words)
    def the_engine_speaks(self, word: LaunchObservation) -> None:
        self.play(placed(word, self.stage))

    @precondition(lambda self: self.live is not None)
    @rule(ended=exits)
    def the_engine_dies(self, ended: Exit) -> None:
        assert self.live is not None
        launch_id, self.live = self.live.launch.launch_id, None
        self.play(ProcessExited(launch_id=launch_id, exit=ended))

    @precondition(lambda self: self.to_end)
    @rule()
    def the_engine_is_proven_dead(self) -> None:
        launch_id = self.to_end.pop()
        if self.live is not None and self.live.launch.launch_id == launch_id:
            self.live = None
        self.play(EngineEnded(launch_id=launch_id, exit=Exit()))

    @rule(host_rebooted=st.booleans(), seconds=st.sampled_from([0.0, 100.0, 5000.0]))
    def the_daemon_dies_and_comes_back(self, host_rebooted: bool, seconds: float) -> None:
        if host_rebooted:
            self.live = None
        self.spawning, self.must_forget = None, False  # a spawn that was not begun never comes
        self.to_end.clear()
        self.stage.sleep_daemon(seconds)
        found = self.live.identity if self.live else None
        self.play(Resumed(is_alive=found is not None, identity=found, host_rebooted=host_rebooted))

    @precondition(lambda self: self.spawning is not None)
    @rule()
    def the_daemon_dies_right_after_the_spawn(self) -> None:
        assert self.spawning is not None
        self.pids += 1
        self.live = _Process(self.spawning, an_identity(self.pids))
        self.the_daemon_dies_and_comes_back(host_rebooted=False, seconds=1.0)

    @precondition(lambda self: self.must_forget)
    @rule()
    def the_directory_is_gone(self) -> None:
        self.must_forget = False
        self.play(DirectoryRemoved())
        assert self.stage.is_gone
        self.stage = CheckedStage()
        self.stage.begin()

    @rule(seconds=st.sampled_from([1.0, 21.0, 61.0, 200.0, 2000.0]), is_offline=st.booleans(), is_asleep=st.booleans())
    def time_passes(self, seconds: float, is_offline: bool, is_asleep: bool) -> None:
        self.stage.is_offline = is_offline
        (self.stage.sleep_host if is_asleep else self.stage.wait)(seconds)
        self._carry_out()

    @invariant()
    def no_engine_is_out_of_sight(self) -> None:
        launch = self.stage.session.launch
        if self.live is not None:
            assert launch is not None
            assert launch.launch_id == self.live.launch.launch_id
            assert launch.identity == self.live.identity
        if self.spawning is not None:
            assert launch is not None
            assert launch.launch_id == self.spawning.launch_id

    @invariant()
    def every_ending_is_under_way(self) -> None:
        session = self.stage.session
        if session.process is P.STOPPING:
            assert self.spawning is not None or self.to_end or self.must_forget


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)


def test_what_no_move_is_registered_for_is_a_mistake_of_ours() -> None:
    stage = Stage()
    scene = Scene(session=stage.session, moment=stage.moment, policy=stage.policy)

    with pytest.raises(NotImplementedError, match="Request"):
        move(Request(), scene)


@settings(max_examples=50)
@given(st.sampled_from([StartRequested(), StopRequested(), RestartRequested()]))
def test_the_same_call_gives_the_same_answer(request_: Request) -> None:
    stage = Stage()
    scene = Scene(session=stage.session, moment=stage.moment, policy=stage.policy)

    assert move(request_, scene) == move(request_, scene)
