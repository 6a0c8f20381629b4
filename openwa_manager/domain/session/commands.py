"""What a supervisor decides to do; carried out only after the decision is on disk."""

from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import Identity, Launch
from openwa_manager.domain.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueue:
    """Ask the start gate for a slot; `cause` says why the engine is launched."""

    cause: ReasonCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Dequeue:
    """Take back what was asked of the start gate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spawn:
    """Start the engine's process for this launch."""

    launch: Launch


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchExit:
    """Report when this process ends."""

    launch: Launch
    identity: Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class BringUp:
    """Wait until the engine answers, prove it ours and set its session going."""

    launch: Launch


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """End the engine and all its descendants."""

    launch: Launch


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Kill what a dead engine left behind."""

    launch: Launch


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """Ask the engine for the truth about its link."""

    launch: Launch


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepCredentials:
    """Keep a copy of what links the session to its account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckCredentials:
    """Report credentials that are broken and could be restored: an engine that lost them silently shows a code."""

    launch: Launch


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetCredentials:
    """Drop the kept copy: the account is linked no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveQr:
    """Remove `qr.png`; with `sha256` only while it holds that image, since the next one may be there already."""

    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """Remove the session's directory (unless `keep_data`), then report it."""

    keep_data: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitProgram:
    """Report when the program that was missing is there."""


Command = (
    Enqueue
    | Dequeue
    | Spawn
    | WatchExit
    | BringUp
    | End
    | Sweep
    | Observe
    | RemoveQr
    | KeepCredentials
    | CheckCredentials
    | ForgetCredentials
    | Forget
    | AwaitProgram
)
