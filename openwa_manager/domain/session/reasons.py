"""Why a session is in the state it is in: the public codes, and one explanation."""

from dataclasses import dataclass
from enum import StrEnum


class ReasonCode(StrEnum):
    """Why a session is in the state it is in; the public vocabulary."""

    REQUESTED = "requested"
    QUEUED = "queued"
    LAUNCH_FAILED = "launch_failed"
    PORT_IN_USE = "port_in_use"
    OWNED_ELSEWHERE = "owned_elsewhere"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One explanation: a stable code, a sentence for people, and when it became true (wall time)."""

    code: ReasonCode
    detail: str
    at: float
