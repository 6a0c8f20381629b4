"""Reads the body of OpenWA's bulk send: its messages as ours, and the files that stand in it as base64.

A file in base64 is a string of some megabytes. So long strings are cut out of the text before it is parsed, and a name
stands in their place: no parser copies them, and they are decoded piece by piece while they are written to the disk.
"""

import binascii
import dataclasses
import hashlib
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import partial
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError

from openwa_manager.api.bodies.json_members import BYTE_ORDER_MARK, string_end
from openwa_manager.api.errors import TooLargeError
from openwa_manager.api.gateway.errors import GatewayError, unacceptable
from openwa_manager.api.gateway.media.skeletons import CUT
from openwa_manager.api.requests import Body, EmptyList
from openwa_manager.domain import foreign_json
from openwa_manager.domain.errors import MediaUnavailableError, UnreadableJsonError
from openwa_manager.domain.messaging.messages import Body as MessageBody
from openwa_manager.domain.messaging.messages import Kind, SendRoute
from openwa_manager.domain.messaging.recipients import TO_MAX_CHARS
from openwa_manager.domain.messaging.templates import CAPTION_MAX_CHARS, TEXT_MAX_CHARS
from openwa_manager.domain.values import dataclass
from openwa_manager.services.messaging.acceptance.drafts import BulkDraft, Draft
from openwa_manager.services.messaging.gateway.batches import BATCH_MAX

#: A text of 4,096 characters that are all written as escapes is not longer.
_SHORT_MAX_BYTES = 32 * 1024
#: Of what stands beside long strings: a hundred such texts, and as many names and addresses.
_REST_MAX_BYTES = 4 << 20
_STRINGS_MAX = 20_000
_STEP_BYTES = 192 * 1024
_DATA_URI = re.compile(rb"data:[^,]{0,200};base64,", re.IGNORECASE)
#: Some write base64 for URLs, as OpenWA reads it too.
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
#: `{{name}}`, and `{name}` as OpenWA's bulk send had it before.
_VARIABLE = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}|\{(\w+)\}", re.ASCII)


def _whole(text: str) -> str:
    if CUT in text:
        raise ValueError("is too long, or has a character zero")
    return text


_Text = Annotated[str, AfterValidator(_whole)]
_Id = Annotated[_Text, Field(max_length=TO_MAX_CHARS)]
_Delay = Annotated[float, Field(ge=1000, le=60_000)]
_Filename = Annotated[_Text, Field(max_length=255)]


class _MediaIn(Body):
    """OpenWA's BulkMediaDto."""

    url: Annotated[_Text, Field(max_length=2048)] | None = None
    base64: str | None = None
    mimetype: _Text | None = None
    filename: _Filename | None = None
    ptt: bool | None = None


class _ContentIn(Body):
    """OpenWA's BulkMessageContentDto."""

    text: Annotated[_Text, Field(max_length=TEXT_MAX_CHARS)] | None = None
    caption: Annotated[_Text, Field(max_length=CAPTION_MAX_CHARS)] | None = None
    image: _MediaIn | None = None
    video: _MediaIn | None = None
    audio: _MediaIn | None = None
    document: _MediaIn | None = None
    mentions: tuple[_Id, ...] | None = None


class _MessageIn(Body):
    """OpenWA's BulkMessageItemDto."""

    chat_id: _Id = Field(alias="chatId")
    type: Literal["text", "image", "video", "audio", "document"]
    content: _ContentIn
    variables: Annotated[dict[str, _Text | int | float], EmptyList] | None = None

    @property
    def media(self) -> _MediaIn | None:
        """Return what it sends beside a text."""
        kinds = {
            "image": self.content.image,
            "video": self.content.video,
            "audio": self.content.audio,
            "document": self.content.document,
        }
        return kinds.get(self.type)


class _OptionsIn(Body):
    """OpenWA's BulkMessageOptionsDto."""

    delay_ms: _Delay | None = Field(default=None, alias="delayBetweenMessages")
    randomizes_delay: bool | None = Field(default=None, alias="randomizeDelay")
    stops_on_error: bool | None = Field(default=None, alias="stopOnError")


class SendBulkIn(Body):
    """OpenWA's SendBulkMessageDto."""

    batch_id: _Id | None = Field(default=None, alias="batchId")
    messages: Annotated[tuple[_MessageIn, ...], Field(max_length=BATCH_MAX)]
    options: Annotated[_OptionsIn, EmptyList] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkRequest:
    """What a caller asks for; `files` are those that came along, by the places of their messages."""

    draft: BulkDraft
    files: Mapping[int, Iterable[bytes]]


def read_bulk(raw: bytes | bytearray) -> BulkRequest:
    """Read the body of a bulk send, the same message twice as one; the largest takes a while, so let a thread do it.

    Raises:
        GatewayError: it is no bulk send, or has what a batch of ours cannot send.
        TooLargeError: there is too much in it beside its files.
    """
    cut = _cut(raw)
    given = _parsed(cut.rest)
    options = given.options or _OptionsIn()
    drafts, files = [], {}
    for place, message in enumerate(_distinct(given.messages)):
        drafts.append(_draft_of(place, message))
        written = message.media.base64 if message.media else None
        if written:
            files[place] = decoded(cut.strings.get(written) or memoryview(written.encode("utf-8", "replace")))
    draft = BulkDraft(
        drafts=drafts,
        name=given.batch_id or None,
        route=SendRoute.GATEWAY,
        stops_on_error=bool(options.stops_on_error),
        gap_min_s=(options.delay_ms or 0.0) / 1000,
    )
    return BulkRequest(draft=draft, files=files)


def decoded(written: memoryview) -> Iterator[bytes]:
    """Decode base64 as it is written in a JSON string, a data URI or not, piece by piece.

    Raises:
        MediaUnavailableError: it is no base64.
    """
    head = _DATA_URI.match(bytes(written[:256]).replace(b"\\/", b"/"))
    place = 0 if head is None else bytes(written[:512]).find(b",") + 1
    rest = b""
    while place < len(written):
        part, place = rest + bytes(written[place : place + _STEP_BYTES]), place + _STEP_BYTES
        escape = b"\\" if part.endswith(b"\\") else b""
        part = _plain(part.removesuffix(b"\\"))
        whole = len(part) // 4 * 4
        rest = part[whole:] + escape
        yield _bytes_of(part[:whole])
    if rest:
        rest = rest.rstrip(b"=")
        yield _bytes_of(rest + b"=" * (-len(rest) % 4))


def _plain(part: bytes) -> bytes:
    """Return base64 without what JSON and mail add to it."""
    unescaped = part.replace(b"\\/", b"/").replace(b"\\r", b"").replace(b"\\n", b"")
    return unescaped.translate(_URL_SAFE, b" \t\r\n")


def _bytes_of(part: bytes) -> bytes:
    try:
        return b64decode(part, validate=True)
    except binascii.Error as error:
        raise MediaUnavailableError(f"it is no base64: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """A JSON text with names in place of its long strings, and these."""

    rest: bytes
    strings: Mapping[str, memoryview]


def _cut(raw: bytes | bytearray) -> _Cut:
    whole, cutter, at = memoryview(raw), _Cutter(), 0
    for _ in range(_STRINGS_MAX):
        begin = raw.find(b'"', at)
        if begin < 0:
            cutter.keep(whole[at:])
            return _Cut(rest=b"".join(cutter.kept), strings=cutter.strings)
        try:
            end = string_end(raw, begin)
        except ValueError as error:
            raise GatewayError(400, f"the body is no JSON: {error}") from error
        if end - begin <= _SHORT_MAX_BYTES:
            cutter.keep(whole[at:end])
        else:
            cutter.keep(whole[at:begin])
            cutter.keep(memoryview(cutter.name_of(whole[begin + 1 : end - 1])))
        at = end
    raise TooLargeError(f"the body has more than {_STRINGS_MAX} strings")


@dataclasses.dataclass(slots=True)
class _Cutter:
    kept: list[memoryview] = field(default_factory=list)
    kept_bytes: int = 0
    strings: dict[str, memoryview] = field(default_factory=dict)

    def keep(self, part: memoryview) -> None:
        """Keep a part of the text."""
        self.kept_bytes += len(part)
        if self.kept_bytes > _REST_MAX_BYTES:
            raise TooLargeError("there is too much in the body beside its files")
        self.kept.append(part)

    def name_of(self, string: memoryview) -> bytes:
        """Return the name that stands for a string, as JSON; it is the same for the same string."""
        digest = hashlib.sha256(string).hexdigest()
        self.strings[CUT + digest] = string
        return f'"\\u0000{digest}"'.encode()


def _parsed(rest: bytes) -> SendBulkIn:
    try:
        return SendBulkIn.model_validate_json(foreign_json.make_safe(rest.removeprefix(BYTE_ORDER_MARK)))
    except UnreadableJsonError as error:
        raise GatewayError(400, f"the body cannot be read: {error}") from error
    except ValidationError as error:
        raise unacceptable(error) from error


def _distinct(messages: Sequence[_MessageIn]) -> Iterator[_MessageIn]:
    """Go through the messages; of several that are the same OpenWA sends one."""
    seen = set[str]()
    for message in messages:
        written = message.model_dump_json(exclude_none=True)
        if written not in seen:
            seen.add(written)
            yield message


def _draft_of(place: int, message: _MessageIn) -> Draft:
    where, content, media = f"messages.{place}.content", message.content, message.media
    if content.mentions or (media is not None and media.ptt):
        raise GatewayError(400, [f"{where}: mentions and voice notes (ptt) are not sent in bulk; send them one by one"])
    fill = partial(_filled, variables=message.variables or {})
    if message.type == "text":
        return Draft(to=message.chat_id, body=MessageBody(kind=Kind.TEXT, text=fill(content.text or "")))
    if media is None or not (media.base64 or media.url):
        raise GatewayError(400, [f"{where}.{message.type} must have url or base64"])
    body = MessageBody(
        kind=Kind(message.type),
        text=fill(content.caption or ""),
        url=None if media.base64 else fill(media.url or ""),
        filename=fill(media.filename) if media.filename else None,
    )
    return Draft(to=message.chat_id, body=body)


def _filled(text: str, variables: Mapping[str, str | int | float]) -> str:
    """Return a text with its variables filled in, as OpenWA does: what is not known stays as it is."""

    def value(found: re.Match[str]) -> str:
        return str(variables.get(found[1] or found[2], found[0]))

    return _VARIABLE.sub(value, text) if variables else text
