"""The body of a request to send: its text as JSON, media as base64 that is read from its file while it leaves."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from openwa_manager.domain.messaging.messages import Kind
from openwa_manager.domain.messaging.outcomes import MediaFile, Outgoing

#: So much of a file is read at once; a multiple of three, so that only the last piece of base64 may be padded.
_PIECE_BYTES = 3 << 18


@dataclass(slots=True, eq=False)
class Departure:
    """How far one request has got: each step is noted before it is done.

    `is_connected` once there is a line to our engine, `is_whole` once the last of the body may have left, `status` once
    the head of an answer is there. `fault` is why our own file could not be read.
    """

    is_connected: bool = False
    is_whole: bool = False
    status: int | None = None
    fault: str | None = None


class SendBody:
    """What is sent for one message; `length_bytes` is all of it."""

    def __init__(self, outgoing: Outgoing) -> None:
        self._media = outgoing.media
        fields = _fields(outgoing)
        if self._media is None:
            self._head, self._tail = b"", json.dumps(fields).encode()
        else:
            self._head, self._tail = json.dumps(fields).encode()[:-1] + b', "base64": "', b'"}'
        self.length_bytes = len(self._head) + _base64_bytes(self._media) + len(self._tail)

    async def leave(self, departure: Departure) -> AsyncIterator[bytes]:
        """Yield the pieces in order; a file that cannot be read ends that with an OSError and the `fault`."""
        if self._media is not None:
            yield self._head
            for offset in range(0, self._media.size_bytes, _PIECE_BYTES):
                try:
                    piece = await asyncio.to_thread(_read_piece, self._media, offset)
                except OSError as error:
                    departure.fault = f"{error.strerror or error}"
                    raise
                yield base64.b64encode(piece)
        departure.is_whole = True
        yield self._tail


def _fields(outgoing: Outgoing) -> dict[str, str]:
    if outgoing.kind is Kind.TEXT:
        return {"chatId": outgoing.chat_id, "text": outgoing.text}
    media = outgoing.media
    optional = {
        "caption": outgoing.text,
        "mimetype": media.mimetype if media else "",
        "filename": (media.filename or "") if media else "",
    }
    return {"chatId": outgoing.chat_id, **{name: value for name, value in optional.items() if value}}


def _base64_bytes(media: MediaFile | None) -> int:
    return 0 if media is None else -(-media.size_bytes // 3) * 4


def _read_piece(media: MediaFile, offset: int) -> bytes:
    """Return a piece of the file, which is opened anew for each, so that none stays open when nobody wants more.

    Raises OSError when it is not there, or has another size by now.
    """
    wanted = min(_PIECE_BYTES, media.size_bytes - offset)
    with Path.open(media.path, "rb") as file:
        file.seek(0, 2)
        if file.tell() != media.size_bytes:
            raise OSError("the media file has changed")
        file.seek(offset)
        piece = file.read(wanted)
    if len(piece) != wanted:
        raise OSError("the media file has changed")
    return piece
