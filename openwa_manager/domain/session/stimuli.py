"""Everything that can happen to a session: requests from people, observations of the world, deadlines that pass."""

from collections.abc import Mapping
from dataclasses import field
from enum import Enum, StrEnum

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.session.reasons import Facts, HostLimit, ReasonCode, Restriction
from openwa_manager.domain.session.session import DataState, Exit, Identity, Launch, LaunchId, Spec
from openwa_manager.domain.texts import DETAIL_MAX, NAME_MAX, cut
from openwa_manager.domain.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A stimulus from a person; one that does not fit is refused and nothing happens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequested(Request):
    """Run the engine from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairingRequested(Request):
    """Run the engine and let it show codes; with `phone_number` (digits) no other account stays linked by them."""

    phone_number: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequested(Request):
    """End the engine and keep it down; with `until_start` only until it is started or the daemon starts again."""

    until_start: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartRequested(Request):
    """End the engine if there is one and start it anew; legal from every state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutRequested(Request):
    """The device was unlinked on request; end the engine and stay down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteRequested(Request):
    """End the engine, then forget the session and, unless `keep_data`, its directory."""

    keep_data: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRequested(Request):
    """Take these choices from the next launch on."""

    spec: Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A stimulus from the world; one that does not fit is stale and dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchObservation(Observation):
    """An observation of one launch; dropped when that launch is not the session's current one."""

    launch_id: LaunchId


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Observation):
    """The daemon took the session up again; `is_alive` tells whether its recorded process lives, `exit` how it ended.

    `identity` is the process found by its launch id where the record had none. `at_daemon_start` excuses a death: the
    engine went with the daemon or with the whole host (a reboot, a restarted container, a killed control group).
    """

    is_alive: bool
    identity: Identity | None = None
    at_daemon_start: bool = False
    exit: Exit = field(default_factory=Exit)


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisionFailed(Observation):
    """The daemon itself failed on this session again and again, so it leaves it alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotGranted(Observation):
    """The start gate lets this launch begin."""

    launch: Launch


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotDelayed(Observation):
    """The start gate holds the launch back because the host is short of something."""

    code: ReasonCode
    facts: Facts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched(LaunchObservation):
    """The engine's process was started."""

    identity: Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFound(LaunchObservation):
    """In place of starting this launch a live engine was found that is proven ours: `launch` is the one it is of.

    `engine_key` opens its API.
    """

    launch: Launch
    engine_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchFailed(LaunchObservation):
    """The engine's process could not be started."""

    code: ReasonCode
    facts: Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchPostponed(LaunchObservation):
    """The host has run out of `limit`, so the process cannot be started yet; the executor goes on trying."""

    limit: HostLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramFound(Observation):
    """The program for want of which the last launch failed is there now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialsRestored(LaunchObservation):
    """Broken credentials were replaced by the kept copy before this launch began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialsSetAside(LaunchObservation):
    """The engine could not read its credentials, and moved them into `directory` before it showed a code."""

    directory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BringUpRefused(LaunchObservation):
    """The engine answered while it was brought up, but not as ours should; it is asked again until the deadline.

    `detail` is what it said.
    """

    detail: str

    def __post_init__(self) -> None:
        cut(self, detail=DETAIL_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineReady(LaunchObservation):
    """The engine answers, is ours and has been told to serve the session; `inner_id` is its own name for it."""

    inner_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFaulted(LaunchObservation):
    """The engine lives but must be ended and started anew: it hangs, leaks or cannot be brought up."""

    code: ReasonCode
    facts: Facts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataInspected(LaunchObservation):
    """The files the engine works on were looked at."""

    data: DataState


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUnlinked(LaunchObservation):
    """The engine has unlinked the account that was not wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessExited(LaunchObservation):
    """The engine's process ended by itself; `log_tail` holds the end of its log, for people.

    `port_was_taken` tells that it could not listen.
    """

    exit: Exit
    log_tail: str = ""
    port_was_taken: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineEnded(LaunchObservation):
    """The engine we were ending, and all its descendants, are proven dead."""

    exit: Exit


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalHindered(Observation):
    """The session's directory cannot be removed now, for this reason; it is tried again."""

    code: ReasonCode
    facts: Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryRemoved(Observation):
    """Nothing is left of a session that was to be deleted."""


class LinkReport(StrEnum):
    """What an engine says of its link to WhatsApp, in our words."""

    INITIALIZING = "initializing"
    QR_READY = "qr_ready"
    CODES_ENDED = "codes_ended"
    AUTHENTICATING = "authenticating"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    ACTION_REQUIRED = "action_required"
    REPLACED = "replaced"
    BANNED = "banned"
    LOGGED_OUT = "logged_out"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkReported(LaunchObservation):
    """The engine reported its link; `detail` is what it said about it."""

    link: LinkReport
    detail: str = ""
    phone_number: str | None = None
    push_name: str | None = None

    def __post_init__(self) -> None:
        cut(self, detail=DETAIL_MAX, phone_number=NAME_MAX, push_name=NAME_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceNoticed(LaunchObservation):
    """Nothing was heard for `limit_s` of an engine that gives signs of life, so its link counts as down."""

    limit_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QrProduced(LaunchObservation):
    """A whole new `image` (PNG) of a code and its hash; `expires_at` None means the engine did not say."""

    image: bytes = field(repr=False)
    sha256: str
    produced_at: float
    expires_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restricted(LaunchObservation):
    """WhatsApp restricted what the account may do, or lifted it (`is_active` False)."""

    is_active: bool
    restriction: Restriction


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageAcknowledged(LaunchObservation):
    """WhatsApp told the fate of a message we sent: `fate` is sent, delivered, read or failed."""

    message_id: str
    fate: str
    to: str | None = None

    def __post_init__(self) -> None:
        cut(self, message_id=NAME_MAX, to=NAME_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineEventReceived(LaunchObservation):
    """An event of the engine that is handed on as it is."""

    type: str
    data: Mapping[str, Json]

    def __post_init__(self) -> None:
        cut(self, type=NAME_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhooksLost(LaunchObservation):
    """The engine gave up posting these events to us, because nobody listened for too long."""

    events: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivitySeen(LaunchObservation):
    """The engine gave a sign of life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCheckRequested(LaunchObservation):
    """The engine hinted that its link changed, but not how: the engine is to be asked.

    Engines post without order and repeat late, so asking is the only answer to a hint that is never out of date.
    """


class Deadline(Enum):
    """The deadlines that run while a session is in some state.

    No text enum: one of those equals a LinkReport of the same word, which may stand beside it in a table.
    """

    SLOW = "slow"
    LAUNCH = "launch"
    BOOT = "boot"
    BACKOFF = "backoff"
    SLOW_RETRY = "slow_retry"
    STEADY = "steady"
    QR_EXPIRY = "qr_expiry"
    PAIRING_WINDOW = "pairing_window"
    INITIALIZING = "initializing"
    AUTHENTICATING = "authenticating"
    LINK_DOWN = "link_down"
    REPLACED = "replaced"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlinePassed(Observation):
    """A deadline of the session expired."""

    deadline: Deadline


Stimulus = Request | Observation
