"""One call to one launch of OpenWA: asked once, its answer limited, its errors as ours."""

import asyncio
import json
from collections.abc import Mapping
from typing import TypeVar

import aiohttp
from pydantic import BaseModel, TypeAdapter

from openwa_manager.domain import foreign_json
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import EngineError, EngineTimeoutError
from openwa_manager.domain.ports import ListenerProof
from openwa_manager.domain.session.session import Launch
from openwa_manager.domain.texts import in_words
from openwa_manager.domain.values import dataclass
from openwa_manager.engines.http.connectors import StrangerError, base_url, connector_to, place_of
from openwa_manager.engines.http.reading import ANSWER_MAX_BYTES, read_answer
from openwa_manager.engines.http.socket_gets import SocketGets

#: Calls that talk to WhatsApp before they answer.
SLOW_TIMEOUT_S = 30.0
T = TypeVar("T")
Body = Mapping[str, Json]


class _Refusal(BaseModel, defer_build=True):
    message: str | list[str] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """A status and the bytes that came with it."""

    call: str
    status: int
    body: bytes

    @property
    def message(self) -> str:
        """Return what the engine says went wrong."""
        try:
            message = _Refusal.model_validate(foreign_json.parse(self.body)).message
        except ValueError:
            return ""
        return message if isinstance(message, str) else "; ".join(message)

    def refused(self) -> EngineError:
        """Return this answer as our error."""
        return EngineError(f"OpenWA answered {self.call} with {self.status}: {self.message or 'no reason given'}")


class NotOurEngineError(EngineError):
    """Something answers, or would, that is not this launch's engine, or does not know its key."""


class EngineCalls:
    """Makes calls to the OpenWA of one launch with one key; each raises EngineError or EngineTimeoutError.

    No connection outlives its call: OpenWA ends without waiting for us, and none is reused after it was closed. `trace`
    is told what each request is at, for a call that must know how far its own got.
    """

    def __init__(
        self,
        launch: Launch,
        key: str,
        timeout_s: float,
        proof: ListenerProof,
        trace: aiohttp.TraceConfig | None = None,
    ) -> None:
        self._url = base_url(launch)
        self._place = place_of(launch)
        self._timeout_s = timeout_s
        self._gets = SocketGets(launch, key, proof) if launch.socket is not None else None
        self._getting: set[asyncio.Timeout] = set()
        self._is_closed = False
        self._http = aiohttp.ClientSession(
            connector=connector_to(launch, proof),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"X-API-Key": key, "Accept-Encoding": "identity"},
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),  # each call has its own
            trace_configs=[] if trace is None else [trace],
        )

    async def close(self) -> None:
        """Drop every call in flight."""
        self._is_closed = True
        for limit in self._getting:
            if not limit.expired():
                limit.reschedule(asyncio.get_running_loop().time())
        await self._http.close()

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: Body | None = None,
        timeout_s: float | None = None,
        max_bytes: int = ANSWER_MAX_BYTES,
    ) -> HttpAnswer:
        call = f"{method} {path}"
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        payload = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            if self._gets is not None and method == "GET":
                return await self._get(self._gets, path, limit_s, max_bytes)
            async with (
                asyncio.timeout(limit_s),
                self._http.request(
                    method, self._url + path, data=payload, headers=headers, allow_redirects=False
                ) as response,
            ):
                return HttpAnswer(call=call, status=response.status, body=await read_answer(response, max_bytes))
        except TimeoutError as error:
            raise EngineTimeoutError(f"OpenWA did not answer {call} within {limit_s:g} s") from error
        except StrangerError as error:
            raise NotOurEngineError(str(error)) from error
        except (aiohttp.ClientError, OSError, RuntimeError) as error:  # RuntimeError: we closed it meanwhile
            raise EngineError(f"OpenWA did not answer {call}: {in_words(error)}") from error

    async def _get(self, gets: SocketGets, path: str, limit_s: float, max_bytes: int) -> HttpAnswer:
        if self._is_closed:
            raise RuntimeError("we closed the connection")
        try:
            async with asyncio.timeout(limit_s) as limit:
                self._getting.add(limit)
                answer = await gets.get(path, max_bytes)
        except TimeoutError:
            if self._is_closed:
                raise RuntimeError("we closed the connection") from None
            raise
        finally:
            self._getting.discard(limit)
        return HttpAnswer(call=f"GET {path}", status=answer.status, body=answer.body)


def require_success(answer: HttpAnswer) -> HttpAnswer:
    """Return the answer if it is a yes. Raises EngineError for any other."""
    if answer.status >= 300:
        raise answer.refused()
    return answer


def parsed(shape: TypeAdapter[T], answer: HttpAnswer) -> T:
    """Return what an answer says, in this shape. Raises EngineError when it has another."""
    try:
        return shape.validate_python(foreign_json.parse(answer.body))
    except ValueError as error:
        raise EngineError(f"OpenWA answered {answer.call} with something else than expected") from error
