"""From what OpenWA answers and posts to our observations: pure functions and tables.

Its words: docs/openwa.md, Sessions and links; docs/openwa.md, Webhooks. `inner` is what it calls by itself: `inner_id`
and `inner_name` are its own id and name of a session.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from openwa_manager.domain.delivery.events import Json, is_passed_through
from openwa_manager.domain.messaging.sightings import ContactFound, ReceivedMessage, SeenMessage, body_sha256
from openwa_manager.domain.session import reasons
from openwa_manager.domain.session.png import is_whole_png
from openwa_manager.domain.session.session import LaunchId, SessionId
from openwa_manager.domain.session.stimuli import (
    EngineEventReceived,
    LinkCheckRequested,
    LinkReport,
    LinkReported,
    MessageAcknowledged,
    Observation,
    QrProduced,
    Restricted,
)

_NAME_MAX = 50  # OpenWA: 3-50 characters of [A-Za-z0-9-]
_DIGEST_CHARS = 12
_PNG_DATA_URL = "data:image/png;base64,"


#: A UUID, as OpenWA makes them: it becomes a part of paths, and callers may use it.
InnerId = Annotated[str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
_URL_MAX = 4096


class Restriction(BaseModel):
    """What WhatsApp took from the account; OpenWA tells since 0.14."""

    model_config = ConfigDict(extra="ignore", defer_build=True)

    kind: str = "unknown"
    code: str | None = None
    expires_at: str | None = Field(default=None, alias="expiresAt")

    @property
    def detail(self) -> str:
        """Return the rest of what is known, for people."""
        until = f"until {self.expires_at}" if self.expires_at else ""
        return " ".join(part for part in (self.code, until) if part)


class InnerSession(BaseModel):
    """OpenWA's own record of a session; every field that some version lacks has a default.

    `engine_loaded` is None before 0.12.1, which does not tell.
    """

    model_config = ConfigDict(extra="ignore", defer_build=True)

    id: InnerId
    name: str
    status: str = "created"
    phone: str | None = None
    push_name: str | None = Field(default=None, alias="pushName")
    last_error: str | None = Field(default=None, alias="lastError")
    restriction: Restriction | None = None
    engine_loaded: bool | None = Field(default=None, alias="engineLoaded")


class InnerWebhook(BaseModel):
    """A webhook registered with OpenWA; it never tells the secret."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    url: Annotated[str, Field(max_length=_URL_MAX)]

    @property
    def record(self) -> Mapping[str, Json]:
        """Return all that OpenWA shows of it."""
        return {"id": self.id, "url": self.url, **(self.model_extra or {})}


class MissedPost(BaseModel):
    """A post OpenWA gave up after its last retry; it may be `replayable` since 0.25."""

    model_config = ConfigDict(extra="ignore", defer_build=True)

    id: str = ""
    event: str
    url: str
    created_at: datetime = Field(alias="createdAt")
    replayable: bool = False


class ShownQr(BaseModel):
    """The answer to `GET …/qr`; the code is of worth only while `status` is qr_ready."""

    model_config = ConfigDict(extra="ignore", defer_build=True)

    code: str = Field(alias="qrCode")
    status: str


class PairingCode(BaseModel):
    """The answer to `POST …/pairing-code`."""

    model_config = ConfigDict(extra="ignore", defer_build=True)

    code: str = Field(alias="pairingCode")


def inner_name(session_id: SessionId) -> str:
    """Return the name OpenWA knows this session by: legal there, readable, and no other session's on this host.

    The digest keeps ids apart that differ only in what OpenWA forbids: it kills browsers by this name
    (docs/openwa.md, Sessions and links).
    """
    digest = hashlib.sha256(session_id.encode()).hexdigest()[:_DIGEST_CHARS]
    prefix = session_id.replace("_", "-")[: _NAME_MAX - _DIGEST_CHARS - 1].strip("-")
    return f"{prefix}-{digest}"


_LINKS: Mapping[str, LinkReport] = {
    "created": LinkReport.INITIALIZING,
    "initializing": LinkReport.INITIALIZING,
    "qr_ready": LinkReport.QR_READY,
    "authenticating": LinkReport.AUTHENTICATING,
    "ready": LinkReport.CONNECTED,
    "disconnected": LinkReport.DISCONNECTED,
    "action_required": LinkReport.ACTION_REQUIRED,
    "failed": LinkReport.FAILED,
}

#: What a `lastError` contains when WhatsApp ended the link for good.
_FINAL_ERRORS: Mapping[str, LinkReport] = {"(403)": LinkReport.BANNED, "(440)": LinkReport.REPLACED}

#: Reasons of `session.disconnected` that are more than a lost connection; the record never tells them.
_FINAL_REASONS: Mapping[str, LinkReport] = {
    "logged out": LinkReport.LOGGED_OUT,
    "LOGOUT": LinkReport.LOGGED_OUT,
    "UNPAIRED": LinkReport.LOGGED_OUT,
    "UNPAIRED_IDLE": LinkReport.LOGGED_OUT,
    "TOS_BLOCK": LinkReport.BANNED,
    "SMB_TOS_BLOCK": LinkReport.BANNED,
}
_BAN = "tos_block"


def link_of(row: InnerSession) -> LinkReport:
    """Return what OpenWA's record says of the link; a word of a later version means initializing."""
    if row.restriction is not None and row.restriction.kind == _BAN:
        return LinkReport.BANNED
    link = _LINKS.get(row.status, LinkReport.INITIALIZING)
    if link is LinkReport.FAILED:
        return next((final for mark, final in _FINAL_ERRORS.items() if mark in (row.last_error or "")), link)
    return link


def report_of(row: InnerSession, launch_id: LaunchId) -> LinkReported:
    """Return OpenWA's record as an observation; it names the account only while that is linked."""
    link = link_of(row)
    is_linked = link is LinkReport.CONNECTED
    detail = row.last_error or ""
    if row.restriction is not None and link is LinkReport.BANNED and not detail:
        detail = f"{row.restriction.kind} {row.restriction.detail}".strip()
    return LinkReported(
        launch_id=launch_id,
        link=link,
        detail=detail,
        phone_number=row.phone if is_linked else None,
        push_name=row.push_name if is_linked else None,
    )


def qr_observation(image: bytes, launch_id: LaunchId, produced_at: float) -> QrProduced:
    """Return the observation of an image first seen at `produced_at` (wall time)."""
    sha256 = hashlib.sha256(image).hexdigest()
    return QrProduced(launch_id=launch_id, image=image, sha256=sha256, produced_at=produced_at)


def image_of(data_url: str) -> bytes | None:
    """Return the PNG in a data URL; None when there is none, or it is not whole."""
    if not data_url.startswith(_PNG_DATA_URL):
        return None
    try:
        image = base64.b64decode(data_url.removeprefix(_PNG_DATA_URL), validate=True)
    except ValueError:  # also of characters that are not ASCII
        return None
    return image if is_whole_png(image) else None


Data = Mapping[str, Json]


def text_of(data: Data, name: str) -> str | None:
    """Return a field that holds text; None when it is absent, empty or something else."""
    value = data.get(name)
    return value if isinstance(value, str) and value else None


def _hint(data: Data, launch_id: LaunchId) -> Sequence[Observation]:
    del data
    return (LinkCheckRequested(launch_id=launch_id),)


def _disconnected(data: Data, launch_id: LaunchId) -> Sequence[Observation]:
    reason = text_of(data, "reason") or ""
    link = _FINAL_REASONS.get(reason)
    if link is None:
        return (LinkCheckRequested(launch_id=launch_id),)
    return (LinkReported(launch_id=launch_id, link=link, detail=reason),)


def _restriction(data: Data, launch_id: LaunchId) -> Sequence[Observation]:
    restriction = Restriction(
        kind=text_of(data, "kind") or "unknown", code=text_of(data, "code"), expiresAt=text_of(data, "expiresAt")
    )
    is_active = data.get("active") is not False
    if is_active and restriction.kind == _BAN:
        detail = f"{_BAN} {restriction.detail}".strip()
        return (LinkReported(launch_id=launch_id, link=LinkReport.BANNED, detail=detail),)
    facts = reasons.Restriction(kind=restriction.kind, code=restriction.code, expires_at=restriction.expires_at)
    return (Restricted(launch_id=launch_id, is_active=is_active, restriction=facts),)


_FATES = frozenset({"sent", "delivered", "read", "failed"})


def acknowledged(data: Data, launch_id: LaunchId) -> Sequence[Observation]:
    """Return the fate of a message; nothing for `pending` and for words of later versions."""
    message_id, fate = text_of(data, "messageId") or text_of(data, "id"), text_of(data, "status")
    if message_id is None or fate not in _FATES:
        return ()
    return (MessageAcknowledged(launch_id=launch_id, message_id=message_id, fate=fate, to=text_of(data, "to")),)


#: `message.failed` is absent: a `message.ack` with status failed always comes with it.
#: Codes are asked for, never taken from `session.qr`: a repeated post may be minutes old and its code dead.
_EVENTS: Mapping[str, Callable[[Data, LaunchId], Sequence[Observation]]] = {
    "session.status": _hint,
    "session.qr": _hint,
    "session.authenticated": _hint,
    "session.reconnect_loop": _hint,
    "session.disconnected": _disconnected,
    "session.restriction": _restriction,
    "message.ack": acknowledged,
}


def observations_of(event: str, data: Data, launch_id: LaunchId) -> Sequence[Observation]:
    """Return what an event posted by OpenWA means; empty when it means nothing to us."""
    read = _EVENTS.get(event)
    if read is not None:
        return read(data, launch_id)
    if is_passed_through(event):
        return (EngineEventReceived(launch_id=launch_id, type=event, data=data),)
    return ()


#: Ids and codes of OpenWA and WhatsApp; what is none cannot be looked up, stored or shown.
_ID = re.compile(r"[!-~]{1,128}")
#: Longer than any text that WhatsApp carries.
_BODY_MAX = 65_536
#: Later times than this in seconds are told in milliseconds (it is the year 5138).
_SECONDS_MAX, _MS_MAX = 1e11, 1e14
_PERSONS = ("@c.us", "@s.whatsapp.net", "@lid")


def id_of(data: Data, name: str) -> str | None:
    """Return a field that holds an id: at most 128 visible ASCII characters; None when it holds anything else."""
    text = text_of(data, name)
    return text if text is not None and _ID.fullmatch(text) else None


def reason_of(data: Data) -> str:
    """Return what OpenWA says went wrong, which may be a list of texts."""
    said = data.get("message")
    texts = said if isinstance(said, list) else [said]
    return "; ".join(text for text in texts if isinstance(text, str))


def chat_ids_in(rows: Sequence[Data]) -> Sequence[str]:
    """Return the ids of the chats in a list of them."""
    return [chat_id for row in rows if (chat_id := id_of(row, "id")) is not None]


def contact_of(data: Data) -> ContactFound | None:
    """Return what `contacts/check` says; None when it says nothing."""
    exists = data.get("exists")
    return ContactFound(exists=exists, chat_id=id_of(data, "whatsappId")) if isinstance(exists, bool) else None


def restriction_of(row: InnerSession) -> reasons.Restriction | None:
    """Return what WhatsApp took from the account, by OpenWA's record; `banned` where that alone is told."""
    told = row.restriction
    if told is not None:
        return reasons.Restriction(kind=told.kind, code=told.code, expires_at=told.expires_at)
    return reasons.Restriction(kind="banned") if link_of(row) is LinkReport.BANNED else None


def read_sent(event: str, data: Data) -> SeenMessage | None:
    """Return the message that an event says has left through the account, by whomever; None for any other event."""
    return _seen(data, id_of(data, "id")) if event == "message.sent" and data.get("fromMe") is not False else None


def seen_in_list(row: Data) -> SeenMessage | None:
    """Return a message of OpenWA's list that left through the account; None for one that came in, or has no id yet."""
    return _seen(row, id_of(row, "waMessageId")) if row.get("direction") == "outgoing" else None


def read_received(data: Data) -> ReceivedMessage | None:
    """Return the message that a `message.received` tells of; None for what no person wrote to this account."""
    message_id, chat_id = id_of(data, "id"), id_of(data, "chatId") or id_of(data, "from")
    if message_id is None or chat_id is None or data.get("fromMe") is True:
        return None
    is_other = data.get("isGroup") is True or data.get("isStatusBroadcast") is True
    is_direct = not is_other and data.get("kind", "individual") == "individual" and chat_id.endswith(_PERSONS)
    return ReceivedMessage(
        message_id=message_id,
        chat_id=chat_id,
        sender=id_of(data, "author") or id_of(data, "from") or chat_id,
        body=(text_of(data, "body") or "")[:_BODY_MAX],
        at=_time_of(data.get("timestamp")),
        is_direct=is_direct,
    )


def _seen(data: Data, message_id: str | None) -> SeenMessage | None:
    to = id_of(data, "to")
    chat_id = id_of(data, "chatId") or to
    if message_id is None or chat_id is None:
        return None
    fate = text_of(data, "status")
    return SeenMessage(
        message_id=message_id,
        chat_id=chat_id,
        body_sha256=body_sha256((text_of(data, "body") or "")[:_BODY_MAX]),
        at=_time_of(data.get("timestamp")),
        fate=fate if fate in _FATES else None,
        to=to if to != chat_id else None,
    )


def _time_of(value: Json) -> float | None:
    """Return a time that OpenWA tells in seconds, or some day in milliseconds; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _MS_MAX:
        return None
    return float(value) if value < _SECONDS_MAX else value / 1000
