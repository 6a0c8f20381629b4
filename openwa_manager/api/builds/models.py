"""The models of what callers give and get about builds and roll-outs."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from openwa_manager.api.requests import BUILD_NAME_TEXT, PATTERN_WORDS, SESSION_ID_TEXT, Body, one_of
from openwa_manager.api.responses import Out, Timestamp
from openwa_manager.domain.builds.builds import BuildState, CheckResult
from openwa_manager.domain.builds.rollouts import Expected, MoveState, RolloutState

_PATH_TEXT = r"^/[^\x00]*$"
PATTERN_WORDS[_PATH_TEXT] = "must be an absolute path on the daemon's host"

_Name = Annotated[str, StringConstraints(pattern=BUILD_NAME_TEXT)]
_SessionId = Annotated[str, StringConstraints(pattern=SESSION_ID_TEXT)]


class BuildIn(Body):
    """What to install: a released version, a folder of the daemon's host, or a commit as `URL#REF`.

    It is named by its version or by REF, unless `name` says otherwise.
    """

    model_config = ConfigDict(json_schema_extra=one_of(("version",), ("path",), ("git",)))

    version: _Name | None = None
    path: Annotated[str, StringConstraints(pattern=_PATH_TEXT, max_length=1024)] | None = None
    git: Annotated[str, StringConstraints(min_length=1, max_length=2304)] | None = None
    name: _Name | None = None


class BuildCheckIn(Body):
    """What to look at: a folder of the daemon's host, or a released version by its number alone."""

    model_config = ConfigDict(json_schema_extra=one_of(("path",), ("version",)))

    path: Annotated[str, StringConstraints(pattern=_PATH_TEXT, max_length=1024)] | None = None
    version: _Name | None = None


class RolloutIn(Body):
    """The build that sessions are to run: those named, or all that pin none, for which it becomes the default.

    The first `canary` of them must be well before any other is touched.
    """

    version: _Name
    sessions: Annotated[tuple[_SessionId, ...], Field(min_length=1, max_length=1000)] | None = None
    canary: Annotated[int, Field(ge=1, le=100)] = 1


class BuildCheckOut(Out):
    """One thing that was looked at in a build."""

    name: str
    result: CheckResult
    detail: str


class BuildChecksOut(Out):
    """What was looked at, and what was found."""

    checks: Sequence[BuildCheckOut]


class InstallProgressOut(Out):
    """What an installation does now, since when, and the last line that was said."""

    step: str
    line: str
    since: Timestamp


class BuildOut(Out):
    """A build: `version` is its name here, `openwa_version` what it says of itself (null: not known yet).

    `session_count` counts the sessions that run it now, `pinned_by` those that pin it. `checks` are looked at when the
    build alone is asked for, else null.
    """

    version: str
    state: BuildState
    openwa_version: str | None
    source: str
    error: str | None
    warnings: Sequence[str]
    progress: InstallProgressOut | None
    size_bytes: int | None
    session_count: int
    pinned_by: Sequence[str]
    is_default: bool
    created_at: Timestamp | None
    installed_at: Timestamp | None
    checks: Sequence[BuildCheckOut] | None = None


class MoveOut(Out):
    """One session of a roll-out; `expected` is what it must come back to (null: its turn has not come)."""

    session_id: str
    state: MoveState
    expected: Expected | None
    detail: str | None


class RolloutOut(Out):
    """A roll-out; `former` was the default when it began, `detail` says why it was halted."""

    id: str
    version: str
    former: str
    is_default: bool
    canary: int
    state: RolloutState
    detail: str | None
    sessions: Sequence[MoveOut]
    created_at: Timestamp
    ended_at: Timestamp | None


class BuildsOut(Out):
    """All builds, oldest first; `former` is what a rollback goes back to, `rollout` the one that was begun last."""

    builds: Sequence[BuildOut]
    default: str
    former: str | None
    rollout: RolloutOut | None
