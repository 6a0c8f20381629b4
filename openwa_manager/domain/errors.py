"""Our errors: one hierarchy, each with the stable code a caller may rely on."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for the command line, which starts without all that this would bring along
    from openwa_manager.domain.session.launch_facts import LockHeld, OwnedBy


class OpenwaManagerError(Exception):
    """The root of everything this project raises on purpose; the message is written for the caller."""

    code = "internal_error"


class InvalidInputError(OpenwaManagerError):
    """A value was understood but is not acceptable; `field` names it."""

    code = "invalid"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class BatchNameTakenError(InvalidInputError):
    """Another batch of the session has the id, `name`, that a caller of the gateway gave this one."""

    def __init__(self, name: str) -> None:
        super().__init__("batchId", "another batch of this session has it")
        self.name = name


class InvalidRecipientError(OpenwaManagerError):
    """Nobody can be written to under this name; the message says what is wrong with it."""

    code = "invalid_recipient"


class MediaUnavailableError(OpenwaManagerError):
    """A file to be sent cannot be had, so nothing was sent; the message says why, without the address.

    `is_lasting`: asking once more would hardly help.
    """

    code = "media_unavailable"

    def __init__(self, message: str, *, is_lasting: bool = True) -> None:
        super().__init__(message)
        self.is_lasting = is_lasting


class SessionNotFoundError(OpenwaManagerError):
    """There is no such session, or the caller may not see it."""

    code = "not_found"


class BuildNotFoundError(OpenwaManagerError):
    """There is no such build, or no such roll-out."""

    code = "not_found"


class InstallFailedError(OpenwaManagerError):
    """A build could not be made; the message says at which step, and what was said there."""

    code = "install_failed"


class EndpointNotFoundError(OpenwaManagerError):
    """There is no such endpoint."""

    code = "not_found"


class MessageNotFoundError(OpenwaManagerError):
    """There is no such message, or the caller may not see it."""

    code = "not_found"


class BatchNotFoundError(OpenwaManagerError):
    """There is no such batch, or the caller may not see it."""

    code = "not_found"


class UserNotFoundError(OpenwaManagerError):
    """There is no such user, or the caller may not see all of his sessions."""

    code = "not_found"


class KeyNotFoundError(OpenwaManagerError):
    """There is no such key, or it may do more than the caller."""

    code = "not_found"


class BeyondOwnRightsError(OpenwaManagerError):
    """Somebody would hand out more than he has; the message says what."""

    code = "forbidden"


class LastAdminError(OpenwaManagerError):
    """Nobody could give out keys any more; nothing happened."""

    code = "last_admin"


class NotOnListError(OpenwaManagerError):
    """Whoever is named is not on the list."""

    code = "not_found"


class IdempotencyMismatchError(OpenwaManagerError):
    """Something else was asked for under this key before; nothing happened."""

    code = "idempotency_mismatch"


class KeyInProgressError(OpenwaManagerError):
    """What was asked for under this key is being done now."""

    code = "conflict"


class KeyOutcomeUnknownError(OpenwaManagerError):
    """What was asked for under this key may have been done; nobody knows."""

    code = "conflict"


class OptedOutError(OpenwaManagerError):
    """Whoever the message is for wants no more messages of this user."""

    code = "opted_out"


class NeverSendableError(OpenwaManagerError):
    """There is no moment at which the messages could be sent; the message says why."""

    code = "never_sendable"


class BodyGoneError(OpenwaManagerError):
    """What the message said is not kept any more, so it cannot be sent again."""

    code = "body_gone"


class CountChangedError(OpenwaManagerError):
    """More or fewer messages wait than the caller thinks; nothing happened."""

    code = "count_changed"


class QuotaExceededError(OpenwaManagerError):
    """The user may send no more in this month; `resets_at` (wall time) is when the next one begins."""

    code = "quota_exceeded"

    def __init__(self, message: str, retry_after_s: int, resets_at: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.resets_at = resets_at


class FirstContactCapError(OpenwaManagerError):
    """The session may write to nobody new today; after `retry_after_s` it may."""

    code = "first_contact_cap"

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RateLimitedError(OpenwaManagerError):
    """The caller asks too often; after `retry_after_s` he may again."""

    code = "rate_limited"

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ConflictError(OpenwaManagerError):
    """What is asked for does not go together with what there is; nothing happened."""

    code = "conflict"


class BacklogFullError(OpenwaManagerError):
    """Too much is undelivered already; what was posted should be posted again later."""

    code = "backlog_full"


class SessionExistsError(OpenwaManagerError):
    """A session with this id exists and differs from the one asked for."""

    code = "session_exists"


class IllegalTransitionError(OpenwaManagerError):
    """The session's state does not allow what was asked; nothing happened."""

    code = "illegal_transition"


class OwnedElsewhereError(OpenwaManagerError):
    """Another live process runs an engine in the session's directory, so none is launched and nothing is deleted."""

    code = "session_owned_elsewhere"

    def __init__(self, owner: "OwnedBy | LockHeld") -> None:
        super().__init__(owner.sentence)
        self.owner = owner


class LaunchFailedError(OpenwaManagerError):
    """The engine's program could not be started; the message says what to do."""

    code = "launch_failed"


class EngineDataLostError(LaunchFailedError):
    """The files that hold the session's account are gone, so no engine is launched by itself."""

    code = "engine_data_lost"


class ProgramMissingError(LaunchFailedError):
    """The engine's program, or what runs it, is not there or not fit; it may come."""


class PortInUseError(LaunchFailedError):
    """No free port is left for the engine."""

    code = "port_in_use"


class QueueFullError(OpenwaManagerError):
    """Too many messages wait on one session; after `retry_after_s` there is room again."""

    code = "queue_full"

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class EngineError(OpenwaManagerError):
    """The engine answered, but not with what was asked of it."""

    code = "engine_error"


class EngineNotReachedError(EngineError):
    """No engine of ours has taken the request: nobody listens, or somebody else does."""


class EngineUnableError(EngineError):
    """The engine has no such call, whatever its state."""

    code = "illegal_transition"


class EngineTimeoutError(EngineError):
    """The engine did not answer in time; what it did is unknown."""

    code = "engine_timeout"


class UnreadableJsonError(OpenwaManagerError, ValueError):
    """A text that should be JSON is none, or one that nobody should read; the message says why."""

    code = "bad_request"


class FilesStuckError(OpenwaManagerError):
    """What a session's directory was asked for did not come in time; until it does, all else there is refused."""

    code = "engine_timeout"


class StorageFullError(OpenwaManagerError):
    """The disk is full: nothing was written; reading and stopping still work."""

    code = "storage_full"


class StoreDamagedError(OpenwaManagerError):
    """The database file cannot be read as one."""

    code = "store_damaged"


class SchemaTooNewError(OpenwaManagerError):
    """A newer version of this program wrote the database; the message says how to go on."""

    code = "schema_too_new"


class CopyFailedError(OpenwaManagerError):
    """The database had to be copied before its tables change, and could not be; they are as they were."""

    code = "copy_failed"


class DrainingError(OpenwaManagerError):
    """The daemon is shutting down and takes no new work."""

    code = "draining"


class AlreadyRunningError(OpenwaManagerError):
    """Another daemon owns this home; the message names its pid."""

    code = "already_running"


class ConfigError(OpenwaManagerError):
    """The settings cannot be used; the message names the setting and the fix."""

    code = "config_invalid"


class UnavailableError(ConfigError):
    """What the settings name cannot be used now, but may come without anybody's help: a port, a disk, an address."""


def needs_person(error: OpenwaManagerError) -> bool:
    """Tell whether a new start would meet the same error until a person has put something right."""
    return isinstance(error, ConfigError | SchemaTooNewError) and not isinstance(error, UnavailableError)


def single_errors(errors: BaseExceptionGroup[OpenwaManagerError] | None) -> Iterator[OpenwaManagerError]:
    """Yield what went wrong in task groups, however deep; None means that nothing did."""
    for error in errors.exceptions if errors else ():
        if isinstance(error, BaseExceptionGroup):
            yield from single_errors(error)
        else:
            yield error


class LinkOverError(OpenwaManagerError):
    """There is no such pairing link, or it has ended; which of both is never said."""

    code = "not_found"


class BoundElsewhereError(OpenwaManagerError):
    """The pairing link belongs to another browser."""

    code = "forbidden"


class PublicUrlMissingError(OpenwaManagerError):
    """Nobody has said under which address this daemon is reached from outside."""

    code = "public_url_missing"
