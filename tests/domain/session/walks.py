"""What may happen to a session, drawn at random, and what must hold after each step."""

import json
from dataclasses import replace

from hypothesis import strategies as st

from openwa_manager.domain.delivery.events import PASSED_THROUGH, Event, Json
from openwa_manager.domain.session.commands import Spawn
from openwa_manager.domain.session.context import Dropped, Refused
from openwa_manager.domain.session.launch_facts import ProgramMissing
from openwa_manager.domain.session.lifecycle import TRANSITIONS, Decided
from openwa_manager.domain.session.link import LINKS
from openwa_manager.domain.session.reasons import HostLimit, ReasonCode, Restriction, Words
from openwa_manager.domain.session.restart import AFTER, NOT_RETRIED
from openwa_manager.domain.session.session import (
    STICKY_LINKS,
    DataState,
    Desired,
    Exit,
    LaunchId,
    LinkState,
    ProcessState,
    Session,
    Status,
)
from openwa_manager.domain.session.stimuli import (
    AccountUnlinked,
    ActivitySeen,
    BringUpRefused,
    ChangeRequested,
    CredentialsRestored,
    CredentialsSetAside,
    DataInspected,
    Deadline,
    DeadlinePassed,
    DeleteRequested,
    DirectoryRemoved,
    EngineEnded,
    EngineEventReceived,
    EngineFaulted,
    EngineFound,
    EngineReady,
    Launched,
    LaunchFailed,
    LaunchObservation,
    LaunchPostponed,
    LinkCheckRequested,
    LinkReport,
    LinkReported,
    LogoutRequested,
    MessageAcknowledged,
    Observation,
    PairingRequested,
    ProcessExited,
    ProgramFound,
    QrProduced,
    RemovalHindered,
    Request,
    RestartRequested,
    Restricted,
    Resumed,
    SilenceNoticed,
    SlotDelayed,
    SlotGranted,
    StartRequested,
    Stimulus,
    StopRequested,
    SupervisionFailed,
    WebhooksLost,
)
from openwa_manager.webhooks.envelope import write_body
from tests.domain.session.driver import (
    AT,
    Answer,
    Driver,
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
from tests.reference.told import differences

P, L = ProcessState, LinkState
GONE_FOR_GOOD = (ReasonCode.QR_EXPIRED, ReasonCode.BANNED, ReasonCode.LOGGED_OUT, ReasonCode.WRONG_NUMBER)

exits = st.builds(Exit, exit_code=st.none() | st.integers(0, 255), signal=st.none() | st.integers(1, 31))
requests = st.one_of(
    st.just(StartRequested()),
    st.builds(PairingRequested, phone_number=st.sampled_from([None, "x", "y"])),
    st.builds(StopRequested, until_start=st.booleans()),
    st.just(RestartRequested()),
    st.just(LogoutRequested()),
    st.builds(DeleteRequested, keep_data=st.booleans()),
    st.builds(lambda label: ChangeRequested(spec=replace(a_session().spec, labels={"a": label})), st.text(max_size=1)),
)


HERE = st.just(LaunchId("here"))
texts = st.sampled_from(["", "x"])
facts = st.none() | st.builds(Words, text=texts)
#: What can be observed of one launch; times are told relative to the moment it is sent.
words = st.one_of(
    st.builds(EngineReady, launch_id=HERE, inner_id=st.none() | texts),
    st.builds(
        EngineFaulted,
        launch_id=HERE,
        code=st.sampled_from(sorted(AFTER)),
        facts=facts,
    ),
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
    st.builds(Restricted, launch_id=HERE, is_active=st.booleans(), restriction=st.builds(Restriction, kind=texts)),
    st.builds(MessageAcknowledged, launch_id=HERE, message_id=texts, fate=st.sampled_from(["sent", "failed"])),
    st.builds(EngineEventReceived, launch_id=HERE, type=st.just("group.join"), data=st.just({})),
    st.builds(ActivitySeen, launch_id=HERE),
    st.builds(SilenceNoticed, launch_id=HERE, limit_s=st.just(120.0)),
    st.builds(LinkCheckRequested, launch_id=HERE),
    st.builds(WebhooksLost, launch_id=HERE, events=st.just(("message.ack", "message.ack"))),
    st.builds(CredentialsRestored, launch_id=HERE),
    st.builds(CredentialsSetAside, launch_id=HERE, directory=texts),
    st.builds(
        DataInspected, launch_id=HERE, data=st.builds(DataState, directory=st.sampled_from([None, "1:1", "1:2"]))
    ),
    st.builds(BringUpRefused, launch_id=HERE, detail=texts),
    st.builds(AccountUnlinked, launch_id=HERE),
)
of_launch = words | st.one_of(
    st.builds(Launched, launch_id=HERE, identity=st.integers(1, 9).map(an_identity)),
    st.builds(EngineFound, launch_id=HERE, launch=st.just(a_launch(1, AT)), engine_key=texts),
    st.builds(
        LaunchFailed,
        launch_id=HERE,
        code=st.sampled_from(ReasonCode),
        facts=st.builds(Words, text=texts) | st.builds(ProgramMissing, text=texts),
    ),
    st.builds(LaunchPostponed, launch_id=HERE, limit=st.sampled_from(HostLimit)),
    st.builds(ProcessExited, launch_id=HERE, exit=exits, port_was_taken=st.booleans()),
    st.builds(EngineEnded, launch_id=HERE, exit=exits),
)
of_no_launch = st.one_of(
    st.builds(Resumed, is_alive=st.just(True), identity=st.integers(1, 9).map(an_identity)),
    st.builds(Resumed, is_alive=st.just(False), at_daemon_start=st.booleans(), exit=exits),
    st.just(SlotGranted(launch=a_launch(1, AT))),
    st.builds(SlotDelayed, code=st.sampled_from([ReasonCode.MEMORY_LOW, ReasonCode.DISK_FULL])),
    st.just(DirectoryRemoved()),
    st.builds(RemovalHindered, code=st.just(ReasonCode.REQUESTED), facts=st.builds(Words, text=texts)),
    st.just(SupervisionFailed()),
    st.just(ProgramFound()),
    st.builds(DeadlinePassed, deadline=st.sampled_from(Deadline)),
)
pauses_s = st.sampled_from([0.0, 0.5, 21.0, 61.0, 200.0, 2000.0])
walks = st.lists(
    st.tuples(of_launch | of_launch | of_no_launch | requests, pauses_s, st.floats(0, 1, exclude_max=True)), max_size=50
)


STARTS = [
    Driver(),
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


def placed(stimulus: Stimulus, driver: Driver) -> Stimulus:
    """Return what was drawn as it happens here and now: of the current launch, at this time."""
    launch = driver.session.launch
    match stimulus:
        case SlotGranted():
            return SlotGranted(launch=a_launch(driver.session.launch_count + 1, driver.at))
        case EngineFound() if launch is not None:
            found = replace(a_launch(launch.number, driver.at), launch_id=LaunchId("found"), identity=an_identity(9))
            return replace(stimulus, launch_id=launch.launch_id, launch=found)
        case QrProduced() if launch is not None:
            expires_at = None if stimulus.expires_at is None else driver.at + stimulus.expires_at
            produced_at = driver.at + stimulus.produced_at
            return replace(stimulus, launch_id=launch.launch_id, produced_at=produced_at, expires_at=expires_at)
        case LaunchObservation() if launch is not None:
            return replace(stimulus, launch_id=launch.launch_id)
        case _:
            return stimulus


def word_for(session: Session) -> Status:
    """Return the public word as the documentation has it, written down a second time."""
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
    assert (session.link in STICKY_LINKS) <= (session.process in (P.STOPPED, P.STOPPING))
    assert is_up or session.link is L.UNKNOWN or session.link in STICKY_LINKS
    assert (session.ending is not None) is (session.process is P.STOPPING)
    assert session.launch is None or session.process in (P.STARTING, P.RUNNING, P.STOPPING)
    assert session.process is not P.RUNNING or session.pid is not None
    assert session.qr is None or (is_up and session.link is L.QR_READY)
    assert (session.connected_at is not None) is (session.link is L.CONNECTED)
    assert session.link is not L.DISCONNECTED or session.reason is not None
    is_tried_again = session.process is P.FAILED and session.restarts.last_reason not in NOT_RETRIED
    assert (session.restarts.next_at is not None) is (session.process is P.BACKOFF or is_tried_again)
    assert session.process is not P.FAILED or session.restarts.is_slow
    assert session.launch is None or session.launch.number == session.launch_count


def assert_is_stale_or_refused(before: Session, stimulus: Stimulus, answer: Answer) -> None:
    """Assert that what does not fit is answered as it should be."""
    if before.process not in TRANSITIONS[type(stimulus)].leads_to:
        assert isinstance(answer, Refused if isinstance(stimulus, Request) else Dropped)
    assert not (isinstance(answer, Refused) and isinstance(stimulus, Observation))
    assert not (isinstance(answer, Dropped) and isinstance(stimulus, Request))


def assert_follows(before: Session, stimulus: Stimulus, decided: Decided) -> None:
    """Assert what holds of every decision."""
    after = decided.session
    assert after.process in TRANSITIONS[type(stimulus)].leads_to[before.process]
    assert after.launch_count - before.launch_count == sum(isinstance(each, Spawn) for each in decided.commands)
    assert all(event.session_seq is None for event in decided.events)  # the store numbers them
    assert [each for event in decided.events for each in differences(posted(event))] == []
    assert all(step.at == after.updated_at for step in decided.steps)
    if after.reason != before.reason and after.process is P.STOPPING and after.reason is not None:
        assert after.reason.code not in GONE_FOR_GOOD or after.desired is Desired.STOPPED
    if after.qr is not None and after.qr != before.qr:
        assert isinstance(stimulus, QrProduced)
        assert before.launch is not None
        assert before.link not in (L.CONNECTED, L.AUTHENTICATING)
        assert before.qr is None or before.qr.sha256 != after.qr.sha256
    if decided.is_gone:
        assert before.launch is None
    if after.link is not before.link and after.process is before.process is P.RUNNING:
        assert after.link in {link for (former, _), link in LINKS.items() if former is before.link}
    if after.status is not before.status:
        assert sum(event.type == "session.status" for event in decided.events) == 1


def posted(event: Event) -> dict[str, Json]:
    """Return an event as endpoints get it; what the store takes from it, or puts to it, aside."""
    for_the_store = ("is_active", "expires_at") if event.type == "session.restricted" else ()
    data = {name: value for name, value in event.data.items() if name not in for_the_store}
    if event.type.startswith("message.") and event.type not in PASSED_THROUGH:
        data |= dict.fromkeys(("manager_message_id", "batch_id", "reference", "error_detail"), None) | {"status": ""}
    image = b"png" if event.type == "session.qr" else None
    body: dict[str, Json] = json.loads(write_body("evt_1", replace(event, data=data), "host", image))
    return body


class CheckedDriver(Driver):
    """A driver that examines every single decision."""

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
