"""What OpenWA is asked about messages: to send one, once; and what it knows of messages, chats and contacts."""

import asyncio
import math
import re
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import aiohttp

from openwa_manager.domain import foreign_json
from openwa_manager.domain.errors import EngineError
from openwa_manager.domain.messaging.messages import Kind
from openwa_manager.domain.messaging.outcomes import (
    Answered,
    MediaUnreadable,
    NoAnswer,
    NotReached,
    NotWhole,
    Outgoing,
    SendAnswer,
)
from openwa_manager.domain.messaging.sightings import ContactFound, SeenMessage
from openwa_manager.domain.ports import ListenerProof
from openwa_manager.domain.session.session import Launch
from openwa_manager.domain.texts import in_words
from openwa_manager.engines import mapping, versions
from openwa_manager.engines.http.calls import SLOW_TIMEOUT_S, EngineCalls, HttpAnswer, require_success
from openwa_manager.engines.http.reading import read_answer
from openwa_manager.engines.http.send_bodies import Departure, SendBody

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

#: How many chats are asked for in all, and at once (OpenWA's own limit, where it has one).
CHATS_MAX, _CHATS_PAGE = 5000, 1000
#: A list of 1,000 chats with the text of each one's last message, or of 100 messages, has some hundred kB.
_LIST_MAX_BYTES = 8 << 20
#: OpenWA's answer to a send is an id and a time, or a reason.
ANSWER_MAX_BYTES = 64 << 10
#: OpenWA gives 100 of a chat's messages at most, the newest first.
_MESSAGES_MAX = 100

_ROUTES: Mapping[Kind, str] = {
    Kind.TEXT: "send-text",
    Kind.IMAGE: "send-image",
    Kind.VIDEO: "send-video",
    Kind.AUDIO: "send-audio",
    Kind.DOCUMENT: "send-document",
}
#: The throttler's own headers tell how long each of its windows is closed; any of them may.
_PAUSES = ("Retry-After", "Retry-After-short", "Retry-After-medium", "Retry-After-long")
_SECONDS = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?")


class MessagingClient(EngineCalls):
    """Speaks to the OpenWA of one launch about messages.

    A send is made once: on a line of its own, by a method that no library repeats. `send_timeout_s` is how long it may
    take from the first try to connect to the last byte of the answer.
    """

    def __init__(
        self, launch: Launch, key: str, timeout_s: float, proof: ListenerProof, *, send_timeout_s: float
    ) -> None:
        super().__init__(launch, key, timeout_s, proof, _trace())
        self._send_timeout_s = send_timeout_s
        self._version: str | None = None

    async def send(self, inner_id: str, outgoing: Outgoing, key: str | None) -> SendAnswer:
        """Ask for this message once and return what came of it."""
        body, departure = SendBody(outgoing), Departure()
        headers = {"Content-Type": "application/json", "Content-Length": str(body.length_bytes)}
        if key is not None:
            headers["Idempotency-Key"] = key
        try:
            async with (
                asyncio.timeout(self._send_timeout_s),
                self._http.post(
                    f"{self._url}/api/sessions/{inner_id}/messages/{_ROUTES[outgoing.kind]}",
                    data=body.leave(departure),
                    headers=headers,
                    allow_redirects=False,
                    trace_request_ctx=departure,
                ) as response,
            ):
                departure.status = response.status
                return await _answered(response)
        except TimeoutError:
            return _unanswered(departure, f"no answer within {self._send_timeout_s:g} s")
        except (aiohttp.ClientError, OSError, RuntimeError) as error:  # RuntimeError: we closed it meanwhile
            return _unanswered(departure, in_words(error))

    async def version(self) -> str | None:
        """Return its version, asked once; None when it does not tell.

        Raises:
            EngineError: it did not answer.
        """
        if self._version is None:
            said = _object(require_success(await self._call("GET", "/api/health")))
            version = versions.parsed(mapping.text_of(said, "version") or "")
            self._version = None if version is None else versions.shown(version)
        return self._version

    async def check_contact(self, inner_id: str, digits: str) -> ContactFound:
        """Return whether a number is on WhatsApp."""
        path = f"/api/sessions/{inner_id}/contacts/check/{quote(digits, safe='')}"
        answer = require_success(await self._call("GET", path, timeout_s=SLOW_TIMEOUT_S))
        found = mapping.contact_of(_object(answer))
        if found is None:
            raise EngineError(f"OpenWA answered {answer.call} with something else than expected")
        return found

    async def list_chats(self, inner_id: str) -> Sequence[str]:
        """Return the ids of the chats, the latest first, at most CHATS_MAX; pages it where OpenWA does."""
        found: dict[str, None] = {}
        for offset in range(0, CHATS_MAX, _CHATS_PAGE):
            path = f"/api/sessions/{inner_id}/chats?limit={_CHATS_PAGE}&offset={offset}"
            rows = _rows(await self._list(path), None)
            known_count = len(found)
            found.update(dict.fromkeys(mapping.chat_ids_in(rows)))
            if len(rows) != _CHATS_PAGE or len(found) == known_count:  # the last page, or a version that knows no pages
                break
        return [*found][:CHATS_MAX]

    async def find_sent(self, inner_id: str, chat_id: str) -> Sequence[SeenMessage]:
        """Return what left through the account in this chat, of the latest messages, newest first."""
        query = urlencode({"chatId": chat_id, "limit": _MESSAGES_MAX, "inlineMedia": "false"})
        rows = _rows(await self._list(f"/api/sessions/{inner_id}/messages?{query}"), "messages")
        return [seen for row in rows[:_MESSAGES_MAX] if (seen := mapping.seen_in_list(row)) is not None]

    async def _list(self, path: str) -> HttpAnswer:
        return require_success(await self._call("GET", path, timeout_s=SLOW_TIMEOUT_S, max_bytes=_LIST_MAX_BYTES))


async def _note_connected(session: aiohttp.ClientSession, context: SimpleNamespace, parameters: object) -> None:
    del session, parameters
    departure = context.trace_request_ctx
    if isinstance(departure, Departure):
        departure.is_connected = True


def _trace() -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(_note_connected)
    trace.on_connection_reuseconn.append(_note_connected)
    return trace


def _unanswered(departure: Departure, why: str) -> SendAnswer:
    """Return what is known of a request that was broken off."""
    if departure.status is not None:
        return Answered(http_status=departure.status, is_whole=False)
    if departure.fault is not None:
        return MediaUnreadable(detail=f"the media cannot be read: {departure.fault}")
    if not departure.is_connected:
        return NotReached(detail=f"the engine was not reached: {why}")
    if not departure.is_whole:
        return NotWhole(detail=f"the request did not leave whole: {why}")
    return NoAnswer(detail=f"the engine did not answer: {why}")


async def _answered(response: aiohttp.ClientResponse) -> Answered:
    try:
        return answer_of(response, await read_answer(response, ANSWER_MAX_BYTES))
    except (EngineError, aiohttp.ClientError, OSError):
        return answer_of(response, None)


def answer_of(response: aiohttp.ClientResponse, body: bytes | None) -> Answered:
    """Return what an answer to a send says; `body` None: it broke off, or is longer than any."""
    pause_s = _told_pause_s(response)
    try:
        said = None if body is None else foreign_json.parse(body)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        return Answered(http_status=response.status, retry_after_s=pause_s, is_whole=False)
    told_s = said.get("retryAfterSeconds")
    is_number = isinstance(told_s, int | float) and not isinstance(told_s, bool)
    return Answered(
        http_status=response.status,
        message_id=mapping.id_of(said, "messageId"),
        code=mapping.id_of(said, "code"),
        text=mapping.reason_of(said),
        retry_after_s=float(told_s) if is_number and isinstance(told_s, int | float) else pause_s,
    )


def _told_pause_s(response: aiohttp.ClientResponse) -> float | None:
    """Return the longest pause that the headers ask for, in seconds or as a date by the engine's own clock."""
    told = [response.headers[name].strip() for name in _PAUSES if name in response.headers]
    pauses = [float(each) if _SECONDS.fullmatch(each) else _until(each, response.headers.get("Date")) for each in told]
    return max((each for each in pauses if math.isfinite(each)), default=None)


def _until(date: str, now: str | None) -> float:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - parsedate_to_datetime(now or "").timestamp())
    except (ValueError, TypeError, OverflowError):
        return math.nan


def _object(answer: HttpAnswer) -> "Mapping[str, Json]":
    said = _parsed(answer)
    return said if isinstance(said, dict) else {}


def _rows(answer: HttpAnswer, name: str | None) -> "Sequence[Mapping[str, Json]]":
    """Return the objects in a list, or in the list that an object holds under this name."""
    said = _parsed(answer)
    rows = said.get(name) if name is not None and isinstance(said, dict) else said
    if not isinstance(rows, list):
        raise EngineError(f"OpenWA answered {answer.call} with something else than expected")
    return [row for row in rows if isinstance(row, dict)]


def _parsed(answer: HttpAnswer) -> "Json":
    try:
        return foreign_json.parse(answer.body)
    except ValueError as error:
        raise EngineError(f"OpenWA answered {answer.call} with something else than expected") from error
