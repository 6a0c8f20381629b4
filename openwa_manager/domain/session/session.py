"""What a session is: its identifiers, its two state machines' words and its public status."""

import re
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from pathlib import Path
from typing import NewType

from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.domain.session.reasons import DataLoss, Reason, ReasonCode
from openwa_manager.domain.values import dataclass

SessionId = NewType("SessionId", str)
LaunchId = NewType("LaunchId", str)

#: The variable by which every process of a launch is known, unless it cleaned its environment.
LAUNCH_ID_VARIABLE = "OPENWA_MANAGER_LAUNCH_ID"
#: The variable that names the unix socket on which an engine listens.
SOCKET_VARIABLE = "OPENWA_MANAGER_SOCKET"
#: The variable with the secret of a launch, by which a daemon without its record finds how the engine speaks to us.
SECRET_VARIABLE = "OPENWA_MANAGER_SECRET"  # noqa: S105 its name
#: The variable that names the build which an engine runs.
BUILD_VARIABLE = "OPENWA_MANAGER_BUILD"
#: The variables that name our intake to an engine, and say at which address and port that name is found.
INTAKE_NAME_VARIABLE, INTAKE_VARIABLE = "OPENWA_MANAGER_INTAKE_NAME", "OPENWA_MANAGER_INTAKE"

SESSION_ID_PATTERN = r"[a-z0-9][a-z0-9_-]{0,62}"
_SESSION_ID = re.compile(SESSION_ID_PATTERN)
_USER_IN_SESSION_ID = re.compile(r"user_(.+?)_session_.*")


def is_session_id(text: str) -> bool:
    """Tell whether the whole of `text` is a legal session id (and so also a safe directory name)."""
    return _SESSION_ID.fullmatch(text) is not None


def user_of(session_id: SessionId) -> str | None:
    """Return the `<x>` of `user_<x>_session_…`; None for ids of another form."""
    match = _USER_IN_SESSION_ID.fullmatch(session_id)
    return match[1] if match else None


def log_path_of(session_id: SessionId, sessions_root: Path, logs_root: Path | None) -> ForeignPath:
    """Return the file the engine's output is appended to; `logs_root` None keeps it in the session's directory."""
    if logs_root is not None:
        return ForeignPath(root=logs_root, parts=(f"{session_id}.log",))
    return ForeignPath(root=sessions_root, parts=(session_id, "logs", "engine.log"))


class ProcessState(StrEnum):
    """Where the engine's process is."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    BACKOFF = "backoff"
    FAILED = "failed"


class LinkState(StrEnum):
    """Where the session's link to WhatsApp is."""

    UNKNOWN = "unknown"
    QR_READY = "qr_ready"
    AUTHENTICATING = "authenticating"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    BANNED = "banned"
    LOGGED_OUT = "logged_out"


#: Links that outlive their engine: they stay until the next start.
STICKY_LINKS = (LinkState.BANNED, LinkState.LOGGED_OUT)
#: Links in which the engine may show a code: one that is down may have lost its account.
LINKS_BEFORE_CODE = (LinkState.UNKNOWN, LinkState.QR_READY, LinkState.DISCONNECTED)


class Status(StrEnum):
    """The one public word for both machines."""

    CREATING = "creating"
    QR_READY = "qr_ready"
    AUTHENTICATING = "authenticating"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    BANNED = "banned"
    LOGGED_OUT = "logged_out"


class Desired(StrEnum):
    """What the owner of the session wants its engine to be."""

    RUNNING = "running"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A process no reused pid can be mistaken for; compared for equality only.

    `started` is field 22 of `/proc/<pid>/stat` (clock ticks since boot) on Linux;
    `p_starttime` in microseconds on macOS.
    """

    boot_id: str
    pid: int
    started: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DataState:
    """Which files an engine works on, as seen at one look: each is known by its device and inode.

    `directory` None means that there is none. `databases` by name; one that is missing, empty or cut is left out, and
    `damaged` names those that are there but empty or cut.
    """

    directory: str | None
    databases: Mapping[str, str] = field(default_factory=dict)
    damaged: tuple[str, ...] = ()

    def loss_since(self, earlier: "DataState") -> DataLoss | None:
        """Return what was lost since an earlier look; None: nothing. What was not there then cannot be lost."""
        if earlier.directory is not None and self.directory != earlier.directory:
            return DataLoss.DIRECTORY_REMOVED if self.directory is None else DataLoss.DIRECTORY_REPLACED
        is_whole = all(self.databases.get(name) == file for name, file in earlier.databases.items())
        return None if is_whole else DataLoss.DATABASE_LOST


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One start of the session's engine.

    `number` counts the session's launches from 1; `identity` is None between the record and the spawn;
    `secret` signs the engine's webhooks to our intake; `cause` says why this launch was made. `socket` is where the
    engine listens: `port` is then a number of its own, but nothing listens there. Without a socket (a `command`, or a
    launch by version 0.2 or earlier) it listens on `port`, if at all. `data` is what its
    files were once it was up (None: not looked at yet). `build` is the OpenWA that it runs (None: it is no OpenWA, or
    was launched before there were builds).
    """

    launch_id: LaunchId
    number: int
    port: int
    secret: str = field(repr=False)
    cause: ReasonCode
    launched_at: float
    socket: Path | None = None
    identity: Identity | None = None
    data: DataState | None = None
    build: str | None = None

    @property
    def listening_port(self) -> int | None:
        """Return the loopback port on which the engine listens; None when it listens on a socket."""
        return self.port if self.socket is None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a process ended; both None where the system cannot tell (an adopted engine on Linux before 6.15)."""

    exit_code: int | None = None
    signal: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What an engine and all its descendants use: summed RSS, and 100 % for each processor kept busy.

    `cpu_s` is the processor time since the measurement before, in seconds; the first one of an engine counts none.
    """

    rss_bytes: int
    cpu_percent: float
    process_count: int
    cpu_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Qr:
    """A code being shown; the image itself is never part of the state.

    `seq` numbers the images of the session's life, `attempt` those of this pairing window, both from 1. `expires_at`
    is what people are told; what counts is `expires_boot_s`, on the boot clock of the launch that shows the code, for
    the wall clock may be set (None: written by version 0.2 or before).
    """

    seq: int
    attempt: int
    sha256: str
    produced_at: float
    expires_at: float
    expires_boot_s: float | None = None

    @property
    def life_s(self) -> float:
        """Return how long it was to live when it was made."""
        return self.expires_at - self.produced_at

    def left_s(self, at: float, boot_s: float) -> float:
        """Return how long it is still valid at this moment; no code lives longer than it was given."""
        left_s = self.expires_at - at if self.expires_boot_s is None else self.expires_boot_s - boot_s
        return min(left_s, self.life_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarts:
    """What is known of a session's restarts and of the crashes that led to them.

    `count` automatic restarts since the last requested start, `streak` crashes in a row (sets the backoff),
    `crashed_at` the crashes inside the crash-loop window, `next_at` when the next try is due. `is_slow` after giving
    up: one try at a time, and `session.failed` is not told again; `link_restarted`: this loss of the link has had its
    restart.
    """

    count: int = 0
    streak: int = 0
    crashed_at: tuple[float, ...] = ()
    last_reason: ReasonCode | None = None
    next_at: float | None = None
    is_slow: bool = False
    link_restarted: bool = False


class After(StrEnum):
    """What follows once a stopping engine is proven dead."""

    STAY_STOPPED = "stay_stopped"
    START_AGAIN = "start_again"
    BACK_OFF = "back_off"
    FAIL = "fail"
    DELETE = "be_deleted"  # the value is on disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Why an engine is being ended, and what comes next."""

    after: After
    cause: ReasonCode
    keep_data: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What the caller chose for a session; a change takes effect at the next launch.

    `env` is added to the engine's environment; `memory_limit_bytes` None means no limit of its own, `build` None
    whichever build is the default.
    """

    user_id: str | None = None
    engine: str
    labels: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    proxy_url: str | None = field(default=None, repr=False)
    memory_limit_bytes: int | None = None
    build: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of a session's timeline: what happened, what was decided, on which evidence (plain JSON values)."""

    session_id: SessionId
    at: float
    stimulus: str
    decision: str
    evidence: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """All that is known of one session; owned by its supervisor and replaced, never changed.

    `engine_key` opens the engine's own API, `inner_id` is the engine's name for this session (None until it is known).
    `qr_seq` is the number of the last code, `qr_attempts` counts this pairing window's codes. `wanted_number`: no other
    account may be linked (None: any may); it holds until that account is, or somebody starts the session.
    All `…_at` are wall time, None when it never happened.
    """

    session_id: SessionId
    spec: Spec
    engine_key: str = field(repr=False)
    created_at: float
    updated_at: float
    desired: Desired = Desired.STOPPED
    process: ProcessState = ProcessState.STOPPED
    link: LinkState = LinkState.UNKNOWN
    reason: Reason | None = None
    launch: Launch | None = None
    launch_count: int = 0
    ending: Ending | None = None
    qr: Qr | None = None
    qr_seq: int = 0
    qr_attempts: int = 0
    pairing_started_at: float | None = None
    wanted_number: str | None = None
    restarts: Restarts = field(default_factory=Restarts)
    inner_id: str | None = None
    phone_number: str | None = None
    push_name: str | None = None
    started_at: float | None = None
    connected_at: float | None = None
    last_connected_at: float | None = None
    last_seen_at: float | None = None

    @property
    def pid(self) -> int | None:
        """Return the pid of the live engine; None when there is none."""
        return self.launch.identity.pid if self.launch and self.launch.identity else None

    @property
    def awaits_code(self) -> bool:
        """Tell whether the engine may show a code now."""
        is_up = self.process in (ProcessState.STARTING, ProcessState.RUNNING) and self.launch is not None
        return is_up and self.link in LINKS_BEFORE_CODE

    @property
    def status(self) -> Status:
        """Return the public word for both machines (docs/design.md, State)."""
        if self.process in _STATUS_OF_PROCESS:
            if self.process is ProcessState.STOPPED and self.link in STICKY_LINKS:
                return Status(self.link.value)
            return _STATUS_OF_PROCESS[self.process]
        return Status.CREATING if self.link is LinkState.UNKNOWN else Status(self.link.value)


_STATUS_OF_PROCESS: Mapping[ProcessState, Status] = {
    ProcessState.STOPPED: Status.STOPPED,
    ProcessState.STOPPING: Status.STOPPING,
    ProcessState.BACKOFF: Status.RESTARTING,
    ProcessState.FAILED: Status.FAILED,
}
