"""What a session's states, what it does by itself and the steps of its timeline are called, in plain words.

Steps are kept under the names of our classes, also those of versions that called them otherwise; nobody outside should
have to know these.
"""

import re
from collections.abc import Mapping

from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.restart import AFTER
from openwa_manager.domain.session.session import After, Status
from openwa_manager.domain.session.stimuli import Deadline
from openwa_manager.domain.texts import plain

STATUSES: Mapping[Status, str] = {
    Status.CREATING: "Its engine is to start, or starts; no code and no connection yet.",
    Status.QR_READY: "A code waits to be scanned.",
    Status.AUTHENTICATING: "A code was scanned; the link comes up.",
    Status.CONNECTED: "It is linked, and sends and receives.",
    Status.DISCONNECTED: "The engine runs, but its link to WhatsApp is down.",
    Status.RESTARTING: "The engine ended by itself and is started again.",
    Status.STOPPING: "The engine is being ended.",
    Status.STOPPED: "There is no engine, and none is started by itself.",
    Status.FAILED: "The engine could not be kept up; it is tried again now and then, or a person must act.",
    Status.BANNED: "WhatsApp banned the number; the engine is stopped.",
    Status.LOGGED_OUT: "The number is not linked any more; the engine is stopped.",
}

#: What is done when an engine ends, or is ended, for a reason.
AFTERS: Mapping[After, str] = {
    After.BACK_OFF: "The engine is started again after 1, 2, 4 … 60 s; crashed five times in 10 min, the session is "
    "`failed`, and tried again every 30 min.",
    After.START_AGAIN: "The engine is ended and started again.",
    After.FAIL: "The session is `failed`, and tried again every 30 min.",
    After.STAY_STOPPED: "The engine is stopped and stays down until somebody starts the session.",
}
#: What is done about a reason, where that alone does not say it.
REACTIONS: Mapping[ReasonCode, str] = {
    ReasonCode.REQUESTED: "What was asked for.",
    ReasonCode.QUEUED: "It starts when its turn comes.",
    ReasonCode.LAUNCH_FAILED: "The session is `failed`; started within 5 s once a missing program is there, else tried "
    "again every 30 min.",
    ReasonCode.ENGINE_DATA_LOST: "The engine is ended. Nothing is started until somebody puts the files back, "
    "and starts the session.",
    ReasonCode.HOST_LIMIT: "It waits until there is room; a start that fails is tried again after 1, 2, 4 … 60 s.",
    ReasonCode.MEMORY_LOW: "The start waits until there is room.",
    ReasonCode.DISK_FULL: "The start waits until there is room.",
    ReasonCode.ENGINE_UNRESPONSIVE: "After four unanswered probes in a row its whole process tree is ended, and it is "
    "started again after 1, 2, 4 … 60 s.",
    ReasonCode.MEMORY_LIMIT: "The engine is ended and started again: at once above the hard limit, above the soft "
    "one while the session is idle.",
    ReasonCode.CRASH_LOOP: "The session is `failed`, and tried again every 30 min.",
    ReasonCode.QR_EXPIRED: "After 3 min without a scan the engine is stopped. Starting the session opens a new window.",
    ReasonCode.NETWORK: "OpenWA reconnects by itself. After 5 min the engine is ended and started again, once.",
    ReasonCode.HOST_OFFLINE: "Nothing is held against any session; it goes on when the network is back.",
    ReasonCode.REPLACED: "The link is left to the other device; one try after 5 min, never a fight.",
    ReasonCode.RESTRICTED: "The session goes on; messages that are not allowed wait until it ends.",
    ReasonCode.ACTION_REQUIRED: "The session waits for the person with the phone.",
    ReasonCode.CREDENTIALS_RESTORED: "The last whole copy takes their place, once, and the engine is started again.",
    ReasonCode.ADOPTED: "Nothing: it went on while the daemon was away.",
}


def reaction_to(code: ReasonCode) -> str:
    """Return what is done by itself about a reason."""
    return REACTIONS.get(code) or AFTERS[AFTER[code]]


_DEADLINES: Mapping[Deadline, str] = {
    Deadline.SLOW: "nothing happened for a while",
    Deadline.LAUNCH: "time for the launch was up",
    Deadline.BOOT: "time to come up was up",
    Deadline.BACKOFF: "restart due",
    Deadline.SLOW_RETRY: "next try due",
    Deadline.STEADY: "ran well for a while",
    Deadline.QR_EXPIRY: "code expired",
    Deadline.PAIRING_WINDOW: "time to scan was up",
    Deadline.INITIALIZING: "time for a first code or connection was up",
    Deadline.AUTHENTICATING: "time to connect was up",
    Deadline.LINK_DOWN: "link down for too long",
    Deadline.REPLACED: "taken over by another device for too long",
}

#: What happened, by the name it is kept under.
STIMULI: Mapping[str, str] = {
    "Created": "created",
    "Recovered": "found after the database was lost",
    "StartRequested": "start asked for",
    "PairingRequested": "pairing asked for",
    "StopRequested": "stop asked for",
    "RestartRequested": "restart asked for",
    "LogoutRequested": "logout asked for",
    "DeleteRequested": "deletion asked for",
    "ChangeRequested": "change asked for",
    "Resumed": "daemon started",
    "SupervisionFailed": "daemon failed on this session",
    "SlotGranted": "turn to start",
    "SlotDelayed": "no start possible yet",
    "LaunchPostponed": "host has no room for a process",
    "Launched": "process started",
    "EngineFound": "running engine found",
    "LaunchFailed": "process not started",
    "ProgramFound": "program found",
    "CredentialsRestored": "credentials were broken",
    "CredentialsSetAside": "credentials unreadable",
    "BringUpRefused": "engine not up yet",
    "EngineReady": "engine answers",
    "EngineFaulted": "engine of no use",
    "DataInspected": "engine's files looked at",
    "ProcessExited": "process ended",
    "AccountUnlinked": "account unlinked",
    "EngineEnded": "process ended as asked",
    "RemovalHindered": "directory not removed",
    "DirectoryRemoved": "directory removed",
    "LinkReported": "engine told of its link",
    "SilenceNoticed": "engine fell silent",
    "QrProduced": "code produced",
    "Restricted": "WhatsApp restricted the account",
    "WebhooksLost": "engine's posts lost",
    "LinkCheckRequested": "link may have changed",
    "ActivitySeen": "sign of life",
    "MessageAcknowledged": "message acknowledged",
    "EngineEventReceived": "event of the engine",
}
_DEADLINE = re.compile(r"DeadlinePassed\((\w+)\)")


def words_of_stimulus(name: str) -> str:
    """Return what a step calls what happened; a name this version does not know comes back as separate words."""
    if passed := _DEADLINE.fullmatch(name):
        known = {each.value: words for each, words in _DEADLINES.items()}
        return known.get(passed[1], f"{passed[1].replace('_', ' ')} was up")
    return STIMULI.get(name) or plain(name)
