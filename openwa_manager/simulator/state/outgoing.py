"""What a send route's body stands for: the message that is about to leave."""

from base64 import b64decode
from dataclasses import dataclass

from openwa_manager.simulator.http.wire import Json

SessionBody = dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message about to leave."""

    chat_id: str
    kind: str
    text: str = ""
    media: dict[str, Json] | None = None


def _text(body: SessionBody, name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


def _media(body: SessionBody) -> dict[str, Json]:
    """Return what OpenWA tells about media that it does not inline."""
    try:
        size = len(b64decode(_text(body, "base64")))
    except ValueError:
        size = 0
    media: dict[str, Json] = {"mimetype": _text(body, "mimetype") or "application/octet-stream"}
    if body.get("filename"):
        media["filename"] = body["filename"]
    return media | {"omitted": True, "sizeBytes": size}


def outgoing(kind: str, body: SessionBody) -> Outgoing:
    """Return the message a send route's body stands for."""
    chat_id = _text(body, "chatId") or _text(body, "toChatId")
    if kind == "text":
        return Outgoing(chat_id=chat_id, kind=kind, text=_text(body, "text"))
    if kind in {"image", "video", "audio", "document", "sticker"}:
        kind = "voice" if body.get("ptt") is True else kind
        return Outgoing(chat_id=chat_id, kind=kind, text=_text(body, "caption"), media=_media(body))
    return Outgoing(chat_id=chat_id, kind=kind, text=_text(body, "name") or _text(body, "description"))
