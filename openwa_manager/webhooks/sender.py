"""One signed POST to one endpoint, and what its answer means."""

import asyncio
import errno
import os
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Self

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from openwa_manager.domain.delivery.delivery import AttemptResult, Delivered, Endpoint, Gone, Rejected, Retry
from openwa_manager.domain.texts import in_words
from openwa_manager.domain.urls import without_password, without_urls
from openwa_manager.webhooks.address import AddressGuard
from openwa_manager.webhooks.answers import AnswerConnector, read_away
from openwa_manager.webhooks.kept import EndpointAnswer, KeptConnections
from openwa_manager.webhooks.signing import signature_headers

#: Answers about this body: sending it again will hardly help. Every other refusal is about the endpoint.
_REJECTIONS = frozenset({400, 413, 415, 422})
#: What the endpoint decided stands in the first line of its answer, so its headers may be as long as any server makes
#: them (debug bars, security policies): aiohttp's own limits are 8 kB a line and 128 lines.
_HEAD_LINE_MAX_BYTES = 1024 * 1024
_HEAD_LINES_MAX = 1_000
#: How a connection ends that the other side has closed, or has reset, before our request came.
_CLOSED = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN})


class Sender:
    """Posts to endpoints over one pool of connections, where `guard` lets it; an async context manager."""

    def __init__(self, guard: AddressGuard, *, connect_timeout_s: float = 5.0, total_timeout_s: float = 15.0) -> None:
        self.guard = guard
        self._timeout = aiohttp.ClientTimeout(total=None, connect=connect_timeout_s)
        self._total_timeout_s = total_timeout_s

    async def __aenter__(self) -> Self:
        lasting = AnswerConnector(self.guard, force_close=False)
        self._pooled = self._session_over(lasting)
        self._fresh = self._session_over(AnswerConnector(self.guard, force_close=True))
        self._kept = KeptConnections(self._pooled, lasting)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pooled.close()
        await self._fresh.close()

    def _session_over(self, connector: AnswerConnector) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "openwa-manager", "Content-Type": "application/json"},
            auto_decompress=False,
            max_line_size=_HEAD_LINE_MAX_BYTES,
            max_field_size=_HEAD_LINE_MAX_BYTES,
            max_headers=_HEAD_LINES_MAX,
        )

    async def send(self, endpoint: Endpoint, event_id: str, body: bytes, at: float) -> AttemptResult:
        """Post `body`, signed at wall time `at`, and return what became of it; redirects are not followed."""
        try:
            url = URL(endpoint.url)
            if (refusal := self.guard.refusal(url.host or "", url.port or 0)) is not None:
                return Retry(reason=refusal)
            headers = signature_headers(endpoint, event_id, at, body)
            async with asyncio.timeout(self._total_timeout_s):
                answer = await self._post(url, headers, body)
            return _outcome(answer.status, _retry_after_s(answer.retry_after, at))
        except TimeoutError:
            return Retry(reason="timeout")
        except HttpProcessingError as error:
            return _outcome_of_malformed(error.code)
        except aiohttp.ClientResponseError as error:
            return _outcome_of_malformed(error.status)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _failure(error)

    async def pass_on(self, url: str, headers: Mapping[str, str], body: bytes, within_s: float) -> int | None:
        """Post `body` with these headers and return the answer's status; redirects are not followed.

        None means that there was no answer within `within_s`, or that the address is none we may post to.
        """
        try:
            target = URL(url)
            if self.guard.refusal(target.host or "", target.port or 0) is not None:
                return None
            async with (
                asyncio.timeout(within_s),
                self._fresh.post(target, data=body, headers=headers, allow_redirects=False) as response,
            ):
                return response.status
        except aiohttp.ClientResponseError as error:
            return error.status or None
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
            return None

    async def _post(self, url: URL, headers: dict[str, str], body: bytes) -> EndpointAnswer:
        try:
            answer = await self._kept.post(url, headers, body)
            return answer or await _post_over(self._pooled, url, headers, body)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ServerDisconnectedError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in _CLOSED:
                raise
        # The receiver closed a pooled connection while we were about to use it: that says nothing of its health. The
        # others in the pool may be closed as well.
        return await _post_over(self._fresh, url, headers, body)


async def _post_over(session: aiohttp.ClientSession, url: URL, headers: dict[str, str], body: bytes) -> EndpointAnswer:
    async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
        answer = EndpointAnswer(response.status, response.headers.get("Retry-After"))
        await read_away(response.content)
        return answer


def _failure(error: Exception) -> Retry:
    return Retry(reason=without_password(_words_of(error))[:200])


def _words_of(error: Exception) -> str:
    """Return what went wrong before there was an answer, as a short sentence."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"the certificate of {error.host} is not trusted: {error.certificate_error}"
        case aiohttp.ClientConnectorDNSError():
            return f"the name {error.host} leads nowhere: {in_words(error.os_error)}"
        case aiohttp.ClientConnectorError():
            number = error.os_error.errno
            return f"no connection to {error.host}: {os.strerror(number) if number else in_words(error.os_error)}"
        case aiohttp.ServerDisconnectedError():
            return "it closed the connection without an answer"
        case aiohttp.ClientOSError() if error.errno:
            return os.strerror(error.errno)  # what the library says of it may name the URL, with its token
        case _:
            return without_urls(in_words(error))


def _outcome(status: int, retry_after_s: float | None = None) -> AttemptResult:
    if 200 <= status < 300:
        return Delivered(status=status)
    if status == 410:
        return Gone()
    if status in _REJECTIONS:
        return Rejected(status=status)
    return Retry(reason=f"HTTP {status}", status=status, retry_after_s=retry_after_s)


def _outcome_of_malformed(status: int) -> AttemptResult:
    return _outcome(status) if status else Retry(reason="its answer is not HTTP")


def _retry_after_s(asked: str | None, at: float) -> float | None:
    """Return the pause the endpoint asks for, given in seconds or as a date; None when it asks for none."""
    if asked is None:
        return None
    asked = asked.strip()
    if asked.isdecimal():
        return float(asked)
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - at)
    except (ValueError, TypeError, OverflowError):
        return None
