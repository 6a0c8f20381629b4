"""The models of what callers get about the daemon, its host and health."""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from openwa_manager.api.responses import Out, Timestamp
from openwa_manager.domain.diagnosis.findings import Level
from openwa_manager.domain.session.session import (
    LinkState,
    ProcessState,
    Status,
)


class HealthCheckOut(Out):
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
    checks: Sequence[HealthCheckOut]


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


class FindingOut(Out):
    """One thing that was looked at; `code` is stable, `cure` null means that nothing is to be done.

    `subject` is a session's id, `endpoint <id>`, or `host`.
    """

    code: str
    level: Level
    subject: str
    detail: str
    cure: str | None


class DoctorOut(Out):
    """What the doctor found."""

    findings: Sequence[FindingOut]


class SystemOut(Out):
    """This daemon and its host; `url` is where the API listens, as callers on this host reach it.

    `engine` is what sessions get that are created without one.
    """

    host: str
    url: str
    engine: str
    version: str
    python: str
    platform: str
    started_at: Timestamp
    sessions: SessionCounts
