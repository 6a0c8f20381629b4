"""The models of what callers get."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from openwa_manager.domain.delivery.delivery import DeliveryState
from openwa_manager.domain.session.reasons import Reason, ReasonCode
from openwa_manager.domain.session.session import (
    Desired,
    LinkState,
    ProcessState,
    Qr,
    Restarts,
    Session,
    Status,
    Step,
    Usage,
)
from openwa_manager.domain.session.times import iso8601

#: ISO 8601, UTC, milliseconds.
Timestamp = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Out(BaseModel):
    """What we answer."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Problem(Out):
    """What went wrong (RFC 9457); `field` names the part of the request that is not acceptable."""

    title: str
    status: int
    code: str
    detail: str
    request_id: str
    field: str | None = None
    retry_after_s: int | None = None


class OpenwaError(Out):
    """What went wrong, as OpenWA words it; some errors have more fields, such as `code` or `retryAfterSeconds`."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    message: str | Sequence[str]
    statusCode: int  # noqa: N815 (OpenWA's name)
    error: str | None = None


class ReasonOut(Out):
    """Why a session is in its state."""

    code: ReasonCode
    detail: str
    at: Timestamp

    @classmethod
    def of(cls, reason: Reason) -> "ReasonOut":
        """Return a reason as it is shown."""
        return cls(code=reason.code, detail=reason.detail, at=iso8601(reason.at))


class QrInfo(Out):
    """The code being shown, without its image; `seq` counts the session's images, `attempt` this pairing window's."""

    seq: int
    attempt: int
    produced_at: Timestamp
    expires_at: Timestamp

    @classmethod
    def of(cls, qr: Qr) -> "QrInfo":
        """Return a code as it is shown."""
        return cls(
            seq=qr.seq,
            attempt=qr.attempt,
            produced_at=iso8601(qr.produced_at),
            expires_at=iso8601(qr.expires_at),
        )


class QrOut(QrInfo):
    """The code being shown."""

    qr_base64: str
    mimetype: Literal["image/png"]


class RestartsOut(Out):
    """The automatic restarts since the last requested start."""

    count: int
    last_reason: ReasonCode | None
    next_at: Timestamp | None

    @classmethod
    def of(cls, restarts: Restarts) -> "RestartsOut":
        """Return the count of restarts as it is shown."""
        return cls(count=restarts.count, last_reason=restarts.last_reason, next_at=timestamp(restarts.next_at))


class UsageOut(Out):
    """What the engine and all its descendants use."""

    rss_bytes: int
    cpu_percent: float
    process_count: int

    @classmethod
    def of(cls, usage: Usage) -> "UsageOut":
        """Return a measurement as it is shown."""
        return cls(rss_bytes=usage.rss_bytes, cpu_percent=usage.cpu_percent, process_count=usage.process_count)


class SessionOut(Out):
    """A session."""

    session_id: str
    user_id: str | None
    engine: str
    status: Status
    reason: ReasonOut | None
    desired: Desired
    pid: int | None
    port: int | None
    phone_number: str | None
    push_name: str | None
    qr: QrInfo | None
    restarts: RestartsOut
    usage: UsageOut | None
    labels: Mapping[str, str]
    created_at: Timestamp
    started_at: Timestamp | None
    connected_at: Timestamp | None
    last_connected_at: Timestamp | None
    last_seen_at: Timestamp | None
    updated_at: Timestamp

    @classmethod
    def of(cls, session: Session, usage: Usage | None) -> "SessionOut":
        """Return a session as it is shown."""
        return SessionOut(
            session_id=session.session_id,
            user_id=session.spec.user_id,
            engine=session.spec.engine,
            status=session.status,
            reason=ReasonOut.of(session.reason) if session.reason else None,
            desired=session.desired,
            pid=session.pid,
            port=session.launch.port if session.launch else None,
            phone_number=session.phone_number,
            push_name=session.push_name,
            qr=QrInfo.of(session.qr) if session.qr else None,
            restarts=RestartsOut.of(session.restarts),
            usage=UsageOut.of(usage) if usage and session.pid is not None else None,
            labels=session.spec.labels,
            created_at=iso8601(session.created_at),
            started_at=timestamp(session.started_at),
            connected_at=timestamp(session.connected_at),
            last_connected_at=timestamp(session.last_connected_at),
            last_seen_at=timestamp(session.last_seen_at),
            updated_at=iso8601(session.updated_at),
        )


class NewSessionOut(SessionOut):
    """A session just asked for, with the image of its code (null when there is none in time)."""

    qr_base64: str | None


class SessionPage(Out):
    """Some sessions, oldest first; `next_cursor` is null on the last page."""

    sessions: Sequence[SessionOut]
    next_cursor: str | None


class SessionsOut(Out):
    """All sessions, oldest first."""

    sessions: Sequence[SessionOut]


class PairingCodeOut(Out):
    """The code to type into the phone; `expires_at` null means that the engine did not say."""

    pairing_code: str
    expires_at: Timestamp | None


class Registry(RootModel[Mapping[str, int]]):
    """Session -> pid of its engine, live processes only."""


class CheckOut(Out):
    """One thing that must be so for a session to be healthy."""

    name: str
    is_ok: bool
    detail: str
    evidence: Mapping[str, str | int | float | None] = Field(default_factory=dict)


class HealthOut(Out):
    """Whether a session can send and receive now, and if not, what is missing."""

    healthy: bool
    process: ProcessState
    engine: Literal["answering", "booting", "down"]
    link: LinkState
    last_seen_at: Timestamp | None
    checks: Sequence[CheckOut]


class StepOut(Out):
    """One line of the timeline."""

    at: Timestamp
    stimulus: str
    decision: str
    evidence: Mapping[str, str | int | float | bool | None]

    @classmethod
    def of(cls, step: Step) -> "StepOut":
        """Return a step as it is shown."""
        return cls(at=iso8601(step.at), stimulus=step.stimulus, decision=step.decision, evidence=step.evidence)


class NextStepOut(Out):
    """What comes by itself if nothing else happens; `at` null means as soon as it can."""

    decision: str
    at: Timestamp | None


class TimelineOut(Out):
    """Why a session is what it is: its newest steps, oldest first, and the step to come (null when none is)."""

    session_id: str
    status: Status
    reason: ReasonOut | None
    steps: Sequence[StepOut]
    next_step: NextStepOut | None


class EventOut(BaseModel):
    """An event as endpoints get it; what it has beside the common fields depends on its type."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    id: str
    type: str
    event: str
    timestamp: Timestamp
    session_id: str | None
    user_id: str | None
    seq: int | None
    launch: int | None
    host: str


class EventPage(Out):
    """Some events, oldest first; `next_after` is what `after` must be to get those that follow."""

    events: Sequence[EventOut]
    next_after: int


class EndpointOut(Out):
    """An endpoint; `down` means that only probes go there, `disabled` that we stopped by ourselves.

    `rotated_at`: until a day later the secret before that moment signs too.
    """

    endpoint_id: str
    url: str
    events: Sequence[str]
    sessions: Sequence[str]
    active: bool
    status: Literal["ok", "down", "paused", "disabled"]
    disabled_reason: str | None
    pending_count: int
    rotated_at: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp


class NewEndpointOut(EndpointOut):
    """An endpoint with its secret, which is shown this once."""

    secret: str


class EndpointsOut(Out):
    """All endpoints, oldest first."""

    endpoints: Sequence[EndpointOut]


class TrialOut(Out):
    """What a test event brought back; `status` null means that no answer came, and `error` says why."""

    delivered: bool
    status: int | None
    error: str | None
    elapsed_ms: float
    event_id: str


class DeliveryOut(Out):
    """One event on its way to one endpoint; `next_at` is null unless a retry is planned."""

    event_id: str
    event_type: str
    session_id: str | None
    endpoint_id: str
    state: DeliveryState
    attempts: int
    occurred_at: Timestamp
    last_tried_at: Timestamp | None
    last_status: int | None
    last_error: str | None
    next_at: Timestamp | None
    settled_at: Timestamp | None


class DeliveryPage(Out):
    """Some deliveries, newest first; `next_cursor` is null on the last page."""

    deliveries: Sequence[DeliveryOut]
    next_cursor: str | None


class ReplayOut(Out):
    """How many deliveries are made once more."""

    replayed: int


class Alive(Out):
    """The daemon answers; without any detail."""

    status: Literal["ok"]


class ProgressOut(Out):
    """How many sessions there are, are taken up since the start, wait for a slot, boot, and run."""

    total: int
    adopted: int
    queued: int
    booting: int
    running: int


class Readiness(Out):
    """Whether every session is taken up; `sessions` is there when asked for."""

    status: Literal["ok", "starting"]
    sessions: ProgressOut | None = None


class SessionCounts(Out):
    """How many sessions there are, in all and by status."""

    total: int
    by_status: Mapping[Status, int]


class SystemOut(Out):
    """This daemon and its host."""

    host: str
    version: str
    python: str
    platform: str
    started_at: Timestamp
    sessions: SessionCounts


def timestamp(at: float | None) -> str | None:
    """Return a time as it is shown; None stays None."""
    return None if at is None else iso8601(at)
