"""What a send route's body stands for: the message that is about to leave."""

import hashlib
from base64 import b64decode
from dataclasses import dataclass

from openwa_manager.simulator.http.wire import Json

SessionBody = dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message about to leave; `media` is what OpenWA tells of its bytes, `media_sha256` None if it got a URL."""

    chat_id: str
    kind: str
    text: str = ""
    media: dict[str, Json] | None = None
    media_sha256: str | None = None

    @property
    def fingerprint(self) -> str:
        """Return the same for the same chat and content only."""
        parts = (self.chat_id, self.kind, self.text, self.media_sha256 or "")
        return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()


def _text(body: SessionBody, name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


def _bytes(body: SessionBody) -> bytes:
    try:
        return b64decode(_text(body, "base64"))
    except ValueError:
        return b""


def _with_media(kind: str, chat_id: str, body: SessionBody) -> Outgoing:
    """Return a message with media that OpenWA does not inline."""
    content = _bytes(body)
    media: dict[str, Json] = {"mimetype": _text(body, "mimetype") or "application/octet-stream"}
    if body.get("filename"):
        media["filename"] = body["filename"]
    return Outgoing(
        chat_id=chat_id,
        kind="voice" if body.get("ptt") is True else kind,
        text=_text(body, "caption"),
        media=media | {"omitted": True, "sizeBytes": len(content)},
        media_sha256=hashlib.sha256(content).hexdigest() if content else None,
    )


def outgoing(kind: str, body: SessionBody) -> Outgoing:
    """Return the message a send route's body stands for."""
    chat_id = _text(body, "chatId") or _text(body, "toChatId")
    if kind == "text":
        return Outgoing(chat_id=chat_id, kind=kind, text=_text(body, "text"))
    if kind in {"image", "video", "audio", "document", "sticker"}:
        return _with_media(kind, chat_id, body)
    return Outgoing(chat_id=chat_id, kind=kind, text=_text(body, "name") or _text(body, "description"))
