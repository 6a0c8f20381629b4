"""The models of what callers get about sessions."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import RootModel

from openwa_manager.api.responses import Out, Timestamp, timestamp
from openwa_manager.domain.session.coming import Coming
from openwa_manager.domain.session.reasons import Reason, ReasonCode
from openwa_manager.domain.session.session import (
    Desired,
    Qr,
    Restarts,
    Session,
    Status,
    Step,
    Usage,
)
from openwa_manager.domain.session.words import words_of_stimulus
from openwa_manager.domain.times import iso8601
from openwa_manager.domain.urls import proxy_without_password
from openwa_manager.services.messaging.control.views import QueueBrief


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
    """A session; its engine listens on `port` or on `socket`, and both are null when it has none.

    `build` is the OpenWA that it runs, or that it pins while it has no engine; null: none, or the default.
    What a proxy or a variable holds may be a login: no password and no value of a variable is shown.
    """

    session_id: str
    user_id: str | None
    engine: str
    status: Status
    reason: ReasonOut | None
    desired: Desired
    pid: int | None
    port: int | None
    socket: str | None
    phone_number: str | None
    push_name: str | None
    qr: QrInfo | None
    restarts: RestartsOut
    build: str | None
    memory_limit_bytes: int | None
    proxy_url: str | None
    env_names: Sequence[str]
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
            port=session.launch.listening_port if session.launch else None,
            socket=_shown(session.launch.socket) if session.launch and session.launch.socket else None,
            phone_number=session.phone_number,
            push_name=session.push_name,
            qr=QrInfo.of(session.qr) if session.qr else None,
            restarts=RestartsOut.of(session.restarts),
            build=session.launch.build if session.launch else session.spec.build,
            memory_limit_bytes=session.spec.memory_limit_bytes,
            proxy_url=proxy_without_password(session.spec.proxy_url) if session.spec.proxy_url else None,
            env_names=sorted(session.spec.env),
            usage=UsageOut.of(usage) if usage and session.pid is not None else None,
            labels=session.spec.labels,
            created_at=iso8601(session.created_at),
            started_at=timestamp(session.started_at),
            connected_at=timestamp(session.connected_at),
            last_connected_at=timestamp(session.last_connected_at),
            last_seen_at=timestamp(session.last_seen_at),
            updated_at=iso8601(session.updated_at),
        )


def _shown(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", "replace")


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


class StepOut(Out):
    """One line of the timeline."""

    at: Timestamp
    stimulus: str
    decision: str
    evidence: Mapping[str, str | int | float | bool | None]

    @classmethod
    def of(cls, step: Step) -> "StepOut":
        """Return a step as it is shown."""
        happened = words_of_stimulus(step.stimulus)
        return cls(at=iso8601(step.at), stimulus=happened, decision=step.decision, evidence=step.evidence)


class NextStepOut(Out):
    """What comes by itself if nothing else happens; `at` null means as soon as it can."""

    decision: str
    at: Timestamp | None

    @classmethod
    def of(cls, coming: Coming) -> "NextStepOut":
        """Return what comes as it is shown."""
        return cls(decision=coming.words, at=timestamp(coming.at))


class QueueHoldOut(Out):
    """How many messages wait, and what holds all of them until when (null: nothing does, or nobody can tell)."""

    waiting: int
    hold: str | None
    detail: str | None
    until: Timestamp | None

    @classmethod
    def of(cls, brief: QueueBrief) -> "QueueHoldOut":
        """Return what holds a session's messages as it is shown."""
        hold = brief.hold
        return cls(
            waiting=brief.waiting_count,
            hold=hold.code.value if hold else None,
            detail=hold.detail if hold else None,
            until=timestamp(hold.until) if hold else None,
        )


class TimelineOut(Out):
    """Why a session is what it is: its newest steps, oldest first, and the step to come (null when none is).

    `messages` says why its messages wait, if any do; `coming` is all that comes by itself, the next first.
    `next_probe_at` is when its engine is asked next whether it is well (null: none runs).
    """

    session_id: str
    status: Status
    reason: ReasonOut | None
    messages: QueueHoldOut
    next_probe_at: Timestamp | None
    steps: Sequence[StepOut]
    next_step: NextStepOut | None
    coming: Sequence[NextStepOut]
