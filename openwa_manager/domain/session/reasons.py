"""Why a session is in the state it is in: a public code, the facts of the case, and the sentence made of both.

Programs read code and facts. The sentence is for people, and nothing takes it apart; only this module makes it.
"""

from collections.abc import Mapping
from enum import StrEnum

from openwa_manager.domain.session.launch_facts import LockHeld, NotUp, OwnedBy, ProgramMissing, Starting, StillWaiting
from openwa_manager.domain.texts import NAME_MAX, cut
from openwa_manager.domain.values import dataclass


class ReasonCode(StrEnum):
    """Why a session is in the state it is in; the public vocabulary."""

    REQUESTED = "requested"
    QUEUED = "queued"
    LAUNCH_FAILED = "launch_failed"
    PORT_IN_USE = "port_in_use"
    OWNED_ELSEWHERE = "owned_elsewhere"
    ENGINE_DATA_LOST = "engine_data_lost"
    HOST_LIMIT = "host_limit"
    MEMORY_LOW = "memory_low"
    ENGINE_EXITED = "engine_exited"
    ENGINE_UNRESPONSIVE = "engine_unresponsive"
    BOOT_TIMEOUT = "boot_timeout"
    MEMORY_LIMIT = "memory_limit"
    CRASH_LOOP = "crash_loop"
    QR_NOT_PRODUCED = "qr_not_produced"
    QR_EXPIRED = "qr_expired"
    LINK_TIMEOUT = "link_timeout"
    NETWORK = "network"
    HOST_OFFLINE = "host_offline"
    REPLACED = "replaced"
    RESTRICTED = "restricted"
    ACTION_REQUIRED = "action_required"
    BANNED = "banned"
    LOGGED_OUT = "logged_out"
    WRONG_NUMBER = "wrong_number"
    CREDENTIALS_RESTORED = "credentials_restored"
    ADOPTED = "adopted"
    DISK_FULL = "disk_full"
    INTERNAL_ERROR = "internal_error"


class HostLimit(StrEnum):
    """What the host has run out of, so that no process can be started; the values are read by people."""

    PROCESSES = "processes"
    OPEN_FILES = "open files"
    MEMORY = "memory"
    DISK = "disk space or inodes"
    DISK_QUOTA = "disk quota"
    LOCAL_PORTS = "local ports"


class RequestedAction(StrEnum):
    """What a person asked for that took the session where it is."""

    STOP = "stop"
    RESTART = "restart"
    LOGOUT = "logout"
    DELETION = "deletion"


class Resource(StrEnum):
    """What is kept free on the host before an engine may start."""

    MEMORY = "memory"
    DISK = "disk"


class DataLoss(StrEnum):
    """What became of the files an engine works on; the values are read by people."""

    DIRECTORY_REMOVED = "the engine's data directory is gone"
    DIRECTORY_REPLACED = "the engine's data directory is another one than it was started with"
    DATABASE_LOST = "a database of the engine is empty, cut, gone, or another one than it was started with"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What an engine or the system said about it, as it came."""

    text: str

    @property
    def sentence(self) -> str:
        """Return it for people."""
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """A person asked for it."""

    action: RequestedAction

    @property
    def sentence(self) -> str:
        """Return it for people."""
        return f"{self.action} requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRemoved:
    """A deletion that was asked for goes on, but the session's directory cannot be removed; `detail` says why."""

    detail: str

    @property
    def sentence(self) -> str:
        """Return it for people."""
        return f"{RequestedAction.DELETION} requested; its directory cannot be removed yet: {self.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """The start waits for a slot; `cause` says why the engine is started."""

    cause: ReasonCode

    @property
    def sentence(self) -> str:
        """Return it for people."""
        return f"waiting for a start slot ({self.cause})"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotEnoughFree:
    """Less is free on the host than is kept free, so the start waits."""

    resource: Resource
    free_bytes: int
    min_free_bytes: int

    @property
    def sentence(self) -> str:
        """Return it for people."""
        return f"{self.free_bytes} bytes of {self.resource} free, {self.min_free_bytes} are kept free"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLimitReached:
    """The host has run out of something that a new process needs."""

    limit: HostLimit

    @property
    def sentence(self) -> str:
        """Return it for people."""
        return f"the host has run out of {self.limit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """The process ended by itself; code and signal are None where the system cannot tell."""

    exit_code: int | None
    signal: int | None
    port_was_taken: bool = False

    @property
    def sentence(self) -> str:
        """Return it for people."""
        words = "exit code unknown" if self.exit_code is None else f"exited with code {self.exit_code}"
        if self.signal is not None:
            words = f"killed by signal {self.signal}"
        return f"its port was taken: {words}" if self.port_was_taken else words


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbesMissed:
    """So many probes in a row went unanswered; `error` is what became of the last one."""

    count: int
    error: str

    @property
    def sentence(self) -> str:
        """Return it for people."""
        return f"{self.count} probes unanswered: {self.error}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataLost:
    """The files the engine works on are not there any more; nothing is started by itself, for it would be a new one."""

    loss: DataLoss

    @property
    def sentence(self) -> str:
        """Return it for people."""
        return f"{self.loss}: put its files back, then start the session; without them it shows a new code"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryExcess:
    """The engine and its descendants use more than their limit; a soft one counts only while the session is idle."""

    rss_bytes: int
    limit_bytes: int
    is_soft: bool

    @property
    def sentence(self) -> str:
        """Return it for people."""
        if self.is_soft:
            return f"{self.rss_bytes} bytes are above the soft limit of {self.limit_bytes}, and the session is idle"
        return f"{self.rss_bytes} bytes are above the hard limit of {self.limit_bytes}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Nothing was heard of the engine for `limit_s`; its next sign of life ends this."""

    limit_s: float

    @property
    def sentence(self) -> str:
        """Return it for people."""
        return f"no sign of life for {self.limit_s:.0f} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotConnected:
    """The engine runs, but did not connect within `limit_s`."""

    limit_s: float

    @property
    def sentence(self) -> str:
        """Return it for people."""
        return f"no connection within {self.limit_s:.0f} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStayedDown:
    """The link was lost and did not come back within `limit_s`."""

    limit_s: float

    @property
    def sentence(self) -> str:
        """Return it for people."""
        return f"the link stayed down for {self.limit_s:.0f} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotScanned:
    """Codes were shown for `window_s` and nobody scanned one."""

    window_s: float

    @property
    def sentence(self) -> str:
        """Return it for people."""
        return f"nobody scanned in {self.window_s:.0f} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restriction:
    """What WhatsApp took from the account, in its own words; `expires_at` as the engine wrote it, None: not told."""

    kind: str
    code: str | None = None
    expires_at: str | None = None

    def __post_init__(self) -> None:
        cut(self, kind=NAME_MAX, code=NAME_MAX, expires_at=NAME_MAX)

    @property
    def sentence(self) -> str:
        """Return it for people."""
        until = f"until {self.expires_at}" if self.expires_at else ""
        return " ".join(part for part in (self.kind, self.code, until) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """The registry was lost and this session was found again, by its live engine or only by its directory."""

    has_engine: bool

    @property
    def sentence(self) -> str:
        """Return it for people."""
        return "found alive after the database was lost" if self.has_engine else "its directory outlived the database"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowUnreadable:
    """What the registry holds of this session cannot be read; `error` is what the reader said."""

    error: str

    @property
    def sentence(self) -> str:
        """Return it for people."""
        return f"its row in the registry cannot be read ({self.error}): check env and labels, then start or delete it"


#: The store keeps facts under the name of their class: facts it does not know come back as Words.
Facts = (
    Words
    | Requested
    | NotRemoved
    | Queued
    | NotEnoughFree
    | HostLimitReached
    | Starting
    | NotUp
    | StillWaiting
    | Exited
    | ProbesMissed
    | DataLost
    | MemoryExcess
    | Silence
    | NotConnected
    | LinkStayedDown
    | NotScanned
    | Restriction
    | Rebuilt
    | OwnedBy
    | LockHeld
    | ProgramMissing
    | RowUnreadable
)

#: What a code says by itself.
SENTENCES: Mapping[ReasonCode, str] = {
    ReasonCode.REQUESTED: "requested",
    ReasonCode.QUEUED: "waiting for a start slot",
    ReasonCode.LAUNCH_FAILED: "the engine's program could not be started",
    ReasonCode.PORT_IN_USE: "its port is taken",
    ReasonCode.OWNED_ELSEWHERE: "another process runs an engine in this session's directory",
    ReasonCode.ENGINE_DATA_LOST: "the engine's data is lost",
    ReasonCode.HOST_LIMIT: "the host has run out of something that a new process needs",
    ReasonCode.MEMORY_LOW: "the host is short of memory",
    ReasonCode.ENGINE_EXITED: "the engine exited",
    ReasonCode.ENGINE_UNRESPONSIVE: "the engine does not answer",
    ReasonCode.BOOT_TIMEOUT: "the engine was not up in time",
    ReasonCode.MEMORY_LIMIT: "the engine uses more memory than it may",
    ReasonCode.CRASH_LOOP: "the engine crashed again and again",
    ReasonCode.QR_NOT_PRODUCED: "no code and no connection in time",
    ReasonCode.QR_EXPIRED: "nobody scanned in time",
    ReasonCode.LINK_TIMEOUT: "scanned, but not connected in time",
    ReasonCode.NETWORK: "the link to WhatsApp is down",
    ReasonCode.HOST_OFFLINE: "the host has no network",
    ReasonCode.REPLACED: "another device took the connection over",
    ReasonCode.RESTRICTED: "WhatsApp restricted the account",
    ReasonCode.ACTION_REQUIRED: "WhatsApp wants something done on the phone",
    ReasonCode.BANNED: "WhatsApp banned the account",
    ReasonCode.LOGGED_OUT: "the device was unlinked",
    ReasonCode.WRONG_NUMBER: "another number was linked than the wanted one, and is unlinked again",
    ReasonCode.CREDENTIALS_RESTORED: "the credentials were broken; the kept copy takes their place",
    ReasonCode.ADOPTED: "a live engine was taken over",
    ReasonCode.DISK_FULL: "the disk is full, so a launch cannot be recorded",
    ReasonCode.INTERNAL_ERROR: "the daemon failed again and again on this session; its log says where",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One explanation: a stable code, the facts (None where the code says it all), and since when it is true."""

    code: ReasonCode
    facts: Facts | None = None
    at: float

    @property
    def detail(self) -> str:
        """Return the sentence for people."""
        return self.facts.sentence if self.facts else SENTENCES[self.code]
