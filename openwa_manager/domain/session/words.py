"""What a step of the timeline calls what happened, in plain words.

Steps are kept under the names of our classes, also those of versions that called them otherwise; nobody outside should
have to know these.
"""

import re
from collections.abc import Mapping

from openwa_manager.domain.session.stimuli import Deadline
from openwa_manager.domain.texts import plain

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
