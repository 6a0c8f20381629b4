"""Hands callers' own requests to one launch of OpenWA: connections kept alive, bodies streamed, nothing sent twice."""

from collections.abc import AsyncIterable

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from openwa_manager.domain.errors import EngineError, EngineNotReachedError, EngineTimeoutError
from openwa_manager.domain.ports import ListenerProof
from openwa_manager.domain.session.session import Launch
from openwa_manager.domain.values import dataclass
from openwa_manager.engines.http.connectors import StrangerError, base_url, connector_to
from openwa_manager.engines.http.reading import is_final_status

#: OpenWA closes a connection that is idle for 5 s; we close it earlier, so that no request is lost to that.
_KEEP_ALIVE_S = 3.0
_CONNECT_TIMEOUT_S = 5.0
#: What aiohttp would add by itself: only what the caller said reaches the engine.
_NOT_ADDED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardedRequest:
    """A request to be handed on as it is; `target` is its raw path and query, `body` None means that it has none."""

    method: str
    target: str
    headers: CIMultiDict[str]
    body: bytes | AsyncIterable[bytes] | None


class Forwarder:
    """Hands requests on to the OpenWA of one launch, with its key in place of whatever key the caller had.

    `silence_s` is how long the engine may leave a request that it has whole, or an answer it has begun, without a
    byte. A request is tried again only if it is idempotent and the engine closed the idle connection it was written to.
    """

    def __init__(self, launch: Launch, key: str, silence_s: float, proof: ListenerProof) -> None:
        self._base = base_url(launch)
        self._silence_s = silence_s
        self._http = aiohttp.ClientSession(
            connector=connector_to(launch, proof, keep_alive_s=_KEEP_ALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"X-API-Key": key},
            skip_auto_headers=_NOT_ADDED,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT_S, sock_read=silence_s),
        )

    async def close(self) -> None:
        """Drop every request in flight."""
        await self._http.close()

    async def forward(self, forwarded: ForwardedRequest) -> aiohttp.ClientResponse:
        """Return the engine's answer, whatever it says, as soon as its head is there; the caller must release it.

        Raises:
            EngineTimeoutError: no answer came, or the connection was lost: what the engine did is unknown.
            EngineNotReachedError: nobody listens, or somebody else does.
            EngineError: what came is not HTTP.
        """
        url = URL(self._base + forwarded.target, encoded=True)
        try:
            answer = await self._http.request(
                forwarded.method, url, data=forwarded.body, headers=forwarded.headers, allow_redirects=False
            )
        except StrangerError as error:
            raise EngineNotReachedError(str(error)) from error
        except aiohttp.ClientConnectorError as error:
            raise EngineNotReachedError(f"the engine does not listen: {error}") from error
        except (aiohttp.ClientResponseError, aiohttp.ClientPayloadError) as error:
            raise EngineError(f"the engine answered with something that is not HTTP: {error}") from error
        except TimeoutError as error:
            detail = f"the engine did not answer within {self._silence_s:g} s; whether it did what was asked is unknown"
            raise EngineTimeoutError(detail) from error
        except (aiohttp.ClientError, OSError, RuntimeError) as error:  # RuntimeError: we closed it meanwhile
            detail = "the engine hung up without an answer; whether it did what was asked is unknown"
            raise EngineTimeoutError(detail) from error
        if not is_final_status(answer.status):
            answer.close()
            raise EngineError(f"the engine answered with the status {answer.status}, which HTTP does not know")
        return answer
