"""A session and a clock moved by hand: sends it what happens, and keeps what was told and what was to be done."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.session.commands import Command
from openwa_manager.domain.session.context import Dropped, Refused
from openwa_manager.domain.session.deadlines import Deadlines, Moment, first_expired, rearm, rearm_missed
from openwa_manager.domain.session.lifecycle import Decided, begin, decide
from openwa_manager.domain.session.reasons import Facts, ReasonCode, Words
from openwa_manager.domain.session.restart import Policy
from openwa_manager.domain.session.session import Exit, Identity, Launch, LaunchId, Session, SessionId, Spec, Step
from openwa_manager.domain.session.stimuli import (
    DeadlinePassed,
    DeleteRequested,
    EngineEnded,
    EngineFaulted,
    EngineReady,
    Launched,
    LaunchFailed,
    LinkReport,
    LinkReported,
    ProcessExited,
    QrProduced,
    Resumed,
    SlotGranted,
    StartRequested,
    Stimulus,
    StopRequested,
)

AT = 1_800_000_000.0
PHONE = "85212345678"
Answer = Decided | Refused | Dropped
CommandT = TypeVar("CommandT", bound=Command)


def a_session() -> Session:
    spec = Spec(user_id="1", engine="openwa")
    return Session(session_id=SessionId("user_1_session_a"), spec=spec, engine_key="key", created_at=AT, updated_at=AT)


def an_identity(number: int = 1) -> Identity:
    return Identity(boot_id="boot", pid=1000 + number, started=number)


def a_launch(number: int, at: float, cause: ReasonCode = ReasonCode.REQUESTED) -> Launch:
    launch_id = LaunchId(f"launch-{number}")
    return Launch(launch_id=launch_id, number=number, port=28100, secret="s", cause=cause, launched_at=at)


@dataclass(slots=True)
class Driver:
    policy: Policy = field(default_factory=Policy)
    session: Session = field(default_factory=a_session)
    at: float = AT
    boot_s: float = 1000.0
    chance: float = 0.5
    is_offline: bool = False
    deadlines: Deadlines = field(default_factory=dict)
    answer: Answer | None = None
    events: list[Event] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    is_gone: bool = False

    @property
    def moment(self) -> Moment:
        return Moment(at=self.at, boot_s=self.boot_s, chance=self.chance, is_offline=self.is_offline)

    @property
    def launch_id(self) -> LaunchId:
        assert self.session.launch is not None
        return self.session.launch.launch_id

    @property
    def reason(self) -> ReasonCode | None:
        return self.session.reason.code if self.session.reason else None

    def begin(self) -> None:
        self._take(begin(self.session))

    def send(self, *stimuli: Stimulus) -> None:
        for stimulus in stimuli:
            self.answer = self.decide(stimulus)
            self._expire_deadlines()

    def decide(self, stimulus: Stimulus) -> Answer:
        answer = decide(self.session, stimulus, self.moment, self.policy)
        if isinstance(answer, Decided):
            self._take(answer)
        return answer

    def wait(self, seconds: float) -> None:
        """Let time pass, stopping at every deadline on the way."""
        end_s = self.boot_s + seconds
        while (due_s := min((armed.due_boot_s for armed in self.deadlines.values()), default=end_s)) < end_s:
            self._move_to(max(due_s, self.boot_s))
            self._expire_deadlines()
        self._move_to(end_s)
        self._expire_deadlines()

    def sleep_host(self, seconds: float) -> None:
        """Let everything sleep: time passes, and nobody is there to see a deadline met."""
        self._move_to(self.boot_s + seconds)
        self._expire_deadlines()

    def sleep_daemon(self, seconds: float) -> None:
        """Let the daemon be down for a while: nobody watches the deadlines."""
        self.deadlines = {}
        self._move_to(self.boot_s + seconds)

    def told(self) -> list[str]:
        """Return the types of what was told since the last call."""
        types = [event.type for event in self.events]
        self.events.clear()
        return types

    def the(self, event_type: str) -> Event:
        """Return the one event of this type that was told since the last call of `told`."""
        (event,) = [event for event in self.events if event.type == event_type]
        return event

    def done(self, kind: type[CommandT]) -> list[CommandT]:
        return [command for command in self.commands if isinstance(command, kind)]

    def forget_so_far(self) -> None:
        self.events.clear()
        self.commands.clear()
        self.steps.clear()

    def slot(self) -> None:
        number = self.session.launch_count + 1
        cause = self.session.restarts.last_reason or ReasonCode.REQUESTED
        self.send(SlotGranted(launch=a_launch(number, self.at, cause)))

    def launched(self) -> None:
        self.send(Launched(launch_id=self.launch_id, identity=an_identity(self.session.launch_count)))

    def launch_failed(self) -> None:
        self.send(
            LaunchFailed(launch_id=self.launch_id, code=ReasonCode.LAUNCH_FAILED, facts=Words(text="node is missing"))
        )

    def ready(self) -> None:
        self.send(EngineReady(launch_id=self.launch_id, inner_id="inner"))

    def boot(self) -> None:
        """Go from the queue to running."""
        self.slot()
        self.launched()
        self.ready()

    def start(self) -> None:
        self.send(StartRequested())
        self.boot()

    def report(self, link: LinkReport, detail: str = "") -> None:
        phone = PHONE if link is LinkReport.CONNECTED else None
        self.send(LinkReported(launch_id=self.launch_id, link=link, detail=detail, phone_number=phone))

    def show_code(self, sha256: str = "a") -> None:
        self.send(QrProduced(launch_id=self.launch_id, image=b"png", sha256=sha256, produced_at=self.at))

    def fault(self, code: ReasonCode, facts: Facts | None = None) -> None:
        self.send(EngineFaulted(launch_id=self.launch_id, code=code, facts=facts))

    def crash(self, exit_code: int | None = 1, signal: int | None = None, *, port_was_taken: bool = False) -> None:
        ended = Exit(exit_code=exit_code, signal=signal)
        observed = ProcessExited(launch_id=self.launch_id, exit=ended, log_tail="boom", port_was_taken=port_was_taken)
        self.send(observed)

    def end(self) -> None:
        self.send(EngineEnded(launch_id=self.launch_id, exit=Exit(exit_code=0)))

    def resume(self, *, is_alive: bool, identity: Identity | None = None, at_daemon_start: bool = False) -> None:
        self.send(Resumed(is_alive=is_alive, identity=identity, at_daemon_start=at_daemon_start))

    def _take(self, decided: Decided) -> None:
        self.session = decided.session
        self.deadlines = rearm(self.deadlines, self.session, self.moment, self.policy)
        self.events += decided.events
        self.commands += decided.commands
        self.steps += decided.steps
        self.is_gone = decided.is_gone

    def _expire_deadlines(self) -> None:
        running = rearm_missed(self.deadlines, self.session, self.moment, self.policy)
        self.deadlines = rearm(running, self.session, self.moment, self.policy)
        while (deadline := first_expired(self.deadlines, self.boot_s)) is not None:
            expired = self.deadlines[deadline]
            answer = self.decide(DeadlinePassed(deadline=deadline))
            assert isinstance(answer, Decided), f"{deadline} was armed for nothing"
            assert self.deadlines.get(deadline) is not expired, f"{deadline} expires for ever"

    def _move_to(self, boot_s: float) -> None:
        self.at += boot_s - self.boot_s
        self.boot_s = boot_s


def queued() -> Driver:
    driver = Driver()
    driver.send(StartRequested())
    driver.forget_so_far()
    return driver


def spawning() -> Driver:
    """Return a session whose launch is recorded, its process not yet known."""
    driver = queued()
    driver.slot()
    driver.forget_so_far()
    return driver


def booting() -> Driver:
    driver = spawning()
    driver.launched()
    driver.forget_so_far()
    return driver


def running() -> Driver:
    driver = booting()
    driver.ready()
    driver.forget_so_far()
    return driver


def showing_code() -> Driver:
    driver = running()
    driver.show_code()
    driver.forget_so_far()
    return driver


def authenticating() -> Driver:
    driver = showing_code()
    driver.report(LinkReport.INITIALIZING)
    driver.forget_so_far()
    return driver


def connected() -> Driver:
    driver = authenticating()
    driver.report(LinkReport.CONNECTED)
    driver.forget_so_far()
    return driver


def connected_again() -> Driver:
    """Return a paired session whose engine was just launched anew and says nothing yet."""
    driver = connected()
    driver.crash()
    driver.wait(1.0)
    driver.boot()
    driver.forget_so_far()
    return driver


def backing_off() -> Driver:
    driver = running()
    driver.crash()
    driver.forget_so_far()
    return driver


def failed() -> Driver:
    driver = spawning()
    driver.launch_failed()
    driver.forget_so_far()
    return driver


def stopping() -> Driver:
    driver = running()
    driver.send(StopRequested())
    driver.forget_so_far()
    return driver


def deleting() -> Driver:
    driver = running()
    driver.send(DeleteRequested())
    driver.forget_so_far()
    return driver


def banned() -> Driver:
    driver = connected()
    driver.report(LinkReport.BANNED, "403")
    driver.end()
    driver.forget_so_far()
    return driver


def leaving(code: ReasonCode) -> Driver:
    """Return a connected session whose engine is being ended for this cause."""
    driver = connected()
    driver.fault(code)
    driver.forget_so_far()
    return driver


Make = Callable[[], Driver]
UP: list[Make] = [booting, running, showing_code, authenticating, connected]
IDLE: list[Make] = [Driver, banned, backing_off, failed]
