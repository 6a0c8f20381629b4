"""The bodies OpenWA accepts, field by field (its DTO classes)."""

from functools import partial

from openwa_manager.simulator.http.validation import (
    Field,
    anything,
    array_at_least,
    array_at_most,
    at_least,
    at_most,
    choice,
    each_one_of,
    filled,
    flag,
    header_map,
    integer,
    is_array,
    is_string,
    is_url,
    matching,
    nested,
    number,
    strings,
    text,
)

WEBHOOK_EVENTS = frozenset(
    [
        "message.received",
        "message.sent",
        "message.ack",
        "message.failed",
        "message.revoked",
        "message.reaction",
        "message.edited",
        "status.received",
        "session.status",
        "session.qr",
        "session.authenticated",
        "session.disconnected",
        "session.reconnect_loop",
        "session.restriction",
        "presence.update",
        "group.join",
        "group.leave",
        "group.update",
        "group.join_request",
        "call.received",
        "call.accepted",
        "call.rejected",
        "call.missed",
        "event.response",
        "*",
    ]
)

#: Those among them that 0.23 does not know.
LATER_EVENTS = frozenset({"event.response"})

_NAME = Field(
    name="name",
    checks=(
        partial(matching, r"[a-zA-Z0-9-]+", "Session name can only contain letters, numbers, and hyphens"),
        partial(at_most, 50),
        partial(at_least, 3),
        is_string,
    ),
)
_PHONE = Field(
    name="phoneNumber",
    checks=(
        partial(
            matching,
            r"[0-9]{6,15}",
            "phoneNumber must be digits only in international format (country code + number), e.g. 628123456789",
        ),
        filled,
        is_string,
    ),
)
_WEBHOOK = (
    Field(
        name="events",
        checks=(partial(each_one_of, WEBHOOK_EVENTS), partial(array_at_least, 1), is_array),
        is_optional=True,
    ),
    Field(name="secret", checks=(partial(at_most, 255), partial(at_least, 16), is_string), is_optional=True),
    Field(name="headers", checks=(header_map,), is_optional=True),
    anything("filters"),
    integer("retryCount", 0, 5),
)
CREATE_SESSION = (
    _NAME,
    anything("config"),
    Field(name="proxyUrl", checks=(is_string,), is_optional=True),
    choice("proxyType", ("http", "https", "socks4", "socks5"), is_optional=True),
)
UPDATE_CONFIG = (
    flag("autoRejectCalls"),
    integer("maxReconnectAttempts", 0, 20),
    integer("reconnectBaseDelay", 1000, 300_000),
)
PAIRING_CODE = (_PHONE,)
CREATE_WEBHOOK = (Field(name="url", checks=(is_url,)), *_WEBHOOK)
UPDATE_WEBHOOK = (Field(name="url", checks=(is_url,), is_optional=True), *_WEBHOOK, flag("active"))
REDRIVE = (
    text("sessionId", is_optional=True),
    text("webhookId", is_optional=True),
    strings("ids", 500),
    integer("limit", 1, 500),
)
CREATE_KEY = (
    Field(name="name", checks=(partial(at_most, 100), partial(at_least, 3), is_string)),
    choice("role", ("admin", "operator", "viewer"), is_optional=True),
    strings("allowedIps"),
    strings("allowedSessions"),
    text("expiresAt", is_optional=True),
)
_CHAT = text("chatId")
_QUOTE = text("quotedMessageId", is_optional=True)
_MENTIONS = strings("mentions")
_MEDIA = (
    _CHAT,
    Field(name="url", checks=(is_url,), is_optional=True),
    text("base64", is_optional=True, may_be_empty=True),
    text("mimetype", is_optional=True, may_be_empty=True),
    text("filename", 255, is_optional=True, may_be_empty=True),
    text("caption", 1024, is_optional=True, may_be_empty=True),
    _MENTIONS,
    _QUOTE,
)
SEND_TEXT = (
    _CHAT,
    text("text", 4096),
    _MENTIONS,
    flag("linkPreview"),
    nested("customLinkPreview", (text("url", 2048), text("title", 256), text("description", 1024, is_optional=True))),
    _QUOTE,
)
SEND_MEDIA = _MEDIA
SEND_AUDIO = (*_MEDIA, flag("ptt"))
SEND_LOCATION = (
    _CHAT,
    number("latitude", -90, 90),
    number("longitude", -180, 180),
    text("description", 1024, is_optional=True, may_be_empty=True),
    text("address", 1024, is_optional=True, may_be_empty=True),
    _QUOTE,
)
SEND_CONTACT = (_CHAT, text("contactName", 255), text("contactNumber", 30), _QUOTE)
SEND_POLL = (
    _CHAT,
    text("name", 255),
    strings("options", 12, at_least=2, is_optional=False),
    flag("allowMultipleAnswers"),
    _QUOTE,
)
REPLY = (_CHAT, text("quotedMessageId"), text("text", 4096), _MENTIONS)
FORWARD = (text("fromChatId"), text("toChatId"), text("messageId"))
REACT = (_CHAT, text("messageId"), text("emoji", 32, may_be_empty=True))
EDIT = (_CHAT, text("messageId"), text("body", 4096), _MENTIONS)
DELETE_MESSAGE = (_CHAT, text("messageId"), flag("forEveryone"))
_BULK_MEDIA = tuple(
    text(name, is_optional=True, may_be_empty=True) for name in ("url", "base64", "mimetype", "filename")
)
_BULK_CONTENT = (
    text("text", 4096, is_optional=True, may_be_empty=True),
    *(nested(kind, (*_BULK_MEDIA, flag("ptt"))) for kind in ("image", "video", "audio", "document")),
    text("caption", 1024, is_optional=True, may_be_empty=True),
    _MENTIONS,
)
SEND_BULK = (
    text("batchId", is_optional=True, may_be_empty=True),
    nested(
        "messages",
        (
            text("chatId", may_be_empty=True),
            choice("type", ("text", "image", "video", "audio", "document")),
            nested("content", _BULK_CONTENT),
            anything("variables"),
        ),
        is_optional=False,
        checks=(partial(array_at_most, 100), is_array),
    ),
    nested(
        "options",
        (
            number("delayBetweenMessages", 1000, 60_000, is_optional=True),
            flag("randomizeDelay"),
            flag("stopOnError"),
        ),
    ),
)
CHAT_STATE = (_CHAT, choice("state", ("typing", "recording", "paused")))
