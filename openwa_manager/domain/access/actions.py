"""What can be asked for, and what a caller needs for it: the one table of rights.

Three things decide. The *role* says how much a caller may do; each role may all that the ones before it may. Two rights
stand apart from it: `qr`, for a code is a login, and `chats`, for what people write is theirs. The caller's *scope*
says of which sessions he may know at all: of all others he is told the same as of those that do not exist.
"""

from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import Final

from openwa_manager.domain.access.callers import Caller
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass


class Action(StrEnum):
    """What is asked for, as the audit names it."""

    READ_SESSIONS = "sessions.read"
    READ_EVENTS = "events.read"
    READ_DELIVERIES = "deliveries.read"
    READ_MESSAGES = "messages.read"
    READ_METRICS = "metrics.read"
    READ_QR = "qr.read"

    SEND = "message.send"
    SEND_BULK = "batch.create"
    CHANGE_MESSAGE = "message.change"
    CHANGE_BATCH = "batch.change"
    CHANGE_QUEUE = "queue.change"
    CHECK_CONTACTS = "contacts.check"

    CREATE_SESSION = "session.create"
    CHANGE_SESSION = "session.change"
    START_SESSION = "session.start"
    STOP_SESSION = "session.stop"
    RESTART_SESSION = "session.restart"
    LOG_OUT_SESSION = "session.logout"
    DELETE_SESSION = "session.delete"
    KILL_SESSION = "session.force_kill"
    PAIR_SESSION = "session.pair"
    CREATE_PAIRING_LINK = "pairing_link.create"
    READ_LOGS = "logs.read"
    REPLAY = "deliveries.replay"
    READ_QUOTA = "quota.read"
    CHANGE_QUOTA = "quota.change"
    READ_SUPPRESSIONS = "suppressions.read"
    CHANGE_SUPPRESSIONS = "suppressions.change"
    EXPORT_CONTACT = "contact.export"
    ERASE_CONTACT = "contact.erase"

    CONFIGURE_SESSION = "session.configure"
    READ_ENDPOINTS = "endpoints.read"
    CHANGE_ENDPOINTS = "endpoint.change"
    TEST_ENDPOINT = "endpoint.test"
    READ_KEYS = "keys.read"
    CREATE_KEY = "key.create"
    CHANGE_KEY = "key.change"
    ROTATE_KEY = "key.rotate"
    REVOKE_KEY = "key.delete"
    READ_AUDIT = "audit.read"
    READ_DOCTOR = "doctor.read"
    READ_BUILDS = "builds.read"
    INSTALL_BUILD = "build.install"
    USE_BUILD = "build.use"
    ROLL_BACK_BUILD = "build.rollback"
    REMOVE_BUILD = "build.remove"

    ASK_GATEWAY = "gateway.ask"
    SEND_BY_GATEWAY = "gateway.send"
    QUOTE_MESSAGE = "gateway.quote"
    READ_GATEWAY_BATCH = "gateway.batch.read"
    CANCEL_GATEWAY_BATCH = "gateway.batch.cancel"
    READ_ENGINE = "gateway.read"
    READ_CHATS = "gateway.chats.read"
    CHANGE_CHATS = "gateway.chats.change"
    CHANGE_ENGINE = "gateway.change"
    FORWARD_MESSAGE = "gateway.forward"
    CHANGE_WEBHOOKS = "gateway.webhook.change"
    READ_PROXY = "gateway.proxy.read"
    CHANGE_PROXY = "gateway.proxy.change"
    FORWARD_UNKNOWN = "gateway.unknown"


class Recorded(Enum):
    """Whether the audit tells of an action: not at all, in a row for each, or in one row for many."""

    NEVER = 0
    EACH = 1
    COUNTED = 2


@dataclass(frozen=True, slots=True)
class Need:
    """What an action needs: a role at least, and of the two rights apart those that are named."""

    role: Role
    qr: bool = False
    chats: bool = False
    recorded: Recorded = Recorded.EACH
    #: It is let happen even if it cannot be recorded: it reads, or it takes something away.
    is_unhindered: bool = False


def _read(role: Role, *, chats: bool = False) -> Need:
    return Need(role, chats=chats, recorded=Recorded.NEVER, is_unhindered=True)


NEEDS: Final[Mapping[Action, Need]] = {
    # A viewer reads.
    Action.READ_SESSIONS: _read(Role.VIEWER),
    Action.READ_EVENTS: _read(Role.VIEWER),
    Action.READ_DELIVERIES: _read(Role.VIEWER),
    Action.READ_MESSAGES: _read(Role.VIEWER),
    Action.READ_METRICS: _read(Role.VIEWER),
    Action.READ_QR: Need(Role.VIEWER, qr=True, is_unhindered=True),
    # A sender also sends.
    Action.SEND: Need(Role.SENDER, recorded=Recorded.COUNTED),
    Action.SEND_BULK: Need(Role.SENDER),
    Action.CHANGE_MESSAGE: Need(Role.SENDER),
    Action.CHANGE_BATCH: Need(Role.SENDER),
    Action.CHANGE_QUEUE: Need(Role.SENDER),
    Action.CHECK_CONTACTS: _read(Role.SENDER),
    # An operator also runs the sessions, and answers for the people they write to.
    Action.CREATE_SESSION: Need(Role.OPERATOR),
    Action.CHANGE_SESSION: Need(Role.OPERATOR),
    Action.START_SESSION: Need(Role.OPERATOR),
    Action.STOP_SESSION: Need(Role.OPERATOR, is_unhindered=True),
    Action.RESTART_SESSION: Need(Role.OPERATOR),
    Action.LOG_OUT_SESSION: Need(Role.OPERATOR),
    Action.DELETE_SESSION: Need(Role.OPERATOR, is_unhindered=True),
    Action.KILL_SESSION: Need(Role.OPERATOR, is_unhindered=True),
    Action.PAIR_SESSION: Need(Role.OPERATOR, qr=True),
    Action.CREATE_PAIRING_LINK: Need(Role.OPERATOR, qr=True),
    Action.READ_LOGS: _read(Role.OPERATOR),
    Action.REPLAY: Need(Role.OPERATOR),
    Action.READ_QUOTA: _read(Role.OPERATOR),
    Action.CHANGE_QUOTA: Need(Role.OPERATOR),
    Action.READ_SUPPRESSIONS: _read(Role.OPERATOR),
    Action.CHANGE_SUPPRESSIONS: Need(Role.OPERATOR),
    Action.EXPORT_CONTACT: Need(Role.OPERATOR, chats=True, is_unhindered=True),
    Action.ERASE_CONTACT: Need(Role.OPERATOR, chats=True),
    # An admin also says what engines are told, where events go, and who may do what.
    Action.CONFIGURE_SESSION: Need(Role.ADMIN, recorded=Recorded.NEVER),
    Action.READ_ENDPOINTS: _read(Role.ADMIN),
    Action.CHANGE_ENDPOINTS: Need(Role.ADMIN),
    Action.TEST_ENDPOINT: Need(Role.ADMIN),
    Action.READ_KEYS: _read(Role.ADMIN),
    Action.CREATE_KEY: Need(Role.ADMIN),
    Action.CHANGE_KEY: Need(Role.ADMIN),
    Action.ROTATE_KEY: Need(Role.ADMIN),
    Action.REVOKE_KEY: Need(Role.ADMIN, is_unhindered=True),
    Action.READ_AUDIT: _read(Role.ADMIN),
    Action.READ_DOCTOR: _read(Role.ADMIN),
    Action.READ_BUILDS: _read(Role.ADMIN),
    # Whose program an engine is reads all its codes and chats.
    Action.INSTALL_BUILD: Need(Role.ADMIN, qr=True, chats=True),
    Action.USE_BUILD: Need(Role.ADMIN, qr=True, chats=True),
    Action.ROLL_BACK_BUILD: Need(Role.ADMIN),
    Action.REMOVE_BUILD: Need(Role.ADMIN, is_unhindered=True),
    # The gateway: what it answers itself, then what the session's OpenWA does.
    Action.ASK_GATEWAY: _read(Role.VIEWER),
    Action.SEND_BY_GATEWAY: Need(Role.SENDER, recorded=Recorded.COUNTED),
    # These hand what somebody wrote to anybody: a quote may be of another chat.
    Action.FORWARD_MESSAGE: Need(Role.SENDER, chats=True),
    Action.QUOTE_MESSAGE: Need(Role.SENDER, chats=True, recorded=Recorded.COUNTED),
    Action.READ_GATEWAY_BATCH: _read(Role.SENDER),
    Action.CANCEL_GATEWAY_BATCH: Need(Role.SENDER),
    Action.READ_ENGINE: _read(Role.OPERATOR),
    Action.READ_CHATS: _read(Role.OPERATOR, chats=True),
    Action.CHANGE_CHATS: Need(Role.OPERATOR, chats=True),  # its answer tells of chats or people
    Action.CHANGE_ENGINE: Need(Role.OPERATOR),
    Action.CHANGE_WEBHOOKS: Need(Role.OPERATOR, qr=True),
    Action.READ_PROXY: _read(Role.ADMIN),  # it may hold a password
    Action.CHANGE_PROXY: Need(Role.ADMIN),
    Action.FORWARD_UNKNOWN: Need(Role.ADMIN, qr=True, chats=True),
}


class Allowed:
    """The caller may."""


@dataclass(frozen=True, slots=True)
class Forbidden:
    """The caller may not, of no session; `needed` says what is missing."""

    needed: str


class Hidden:
    """The caller may know of no such session: he is told that there is none."""


Verdict = Allowed | Forbidden | Hidden
_ALLOWED: Final = Allowed()
_HIDDEN: Final = Hidden()


def may(caller: Caller, action: Action, session_id: SessionId | None = None) -> Verdict:
    """Tell whether a caller may do this; with `session_id` to this session, else to any.

    What he lacks altogether comes first: that tells nothing of what exists.
    """
    need = NEEDS[action]
    if not caller.role.includes(need.role):
        return Forbidden(f"this needs the role {need.role}; the key has the role {caller.role}")
    if need.qr and not caller.has_qr:
        return Forbidden("this needs a key with qr: true, for a code is a login")
    if need.chats and not caller.has_chats:
        return Forbidden("this needs a key with chats: true, for it tells what people write, or to whom")
    if session_id is not None and not caller.scope.names(session_id):
        return _HIDDEN
    return _ALLOWED
