"""Asks the daemon, over its unix socket or a URL; the standard library only, so that a command starts at once."""

import http.client
import json
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import urlencode, urlsplit

from openwa_manager.cli.discovery import Daemon, SocketDaemon, ways_in
from openwa_manager.cli.errors import CommandFailedError, NoSuchThingError, NotReachableError, UsageError
from openwa_manager.domain import foreign_json
from openwa_manager.domain.errors import SessionNotFoundError, UnreadableJsonError

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

#: Longer than anything the daemon makes a caller wait for (60 s).
TIMEOUT_S = 90.0
#: No answer of ours that is read whole is larger.
_ANSWER_MAX_BYTES = 64 * 1024 * 1024
_ERROR_MAX_BYTES = 65_536
_PROBLEM = "application/problem+json"
#: What the API says to programs, and what is said of it here.
_BUILDS_LISTED = ("GET /v1/builds lists them", "openwa-manager engine list shows them")
#: What OpenSSL (by version) says of a port that answers in plain text.
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")

Scalar = str | int | float | bool
#: A parameter with several values is given once for each; None means that it is not given.
Query = Mapping[str, Scalar | Sequence[str] | None]


class RequestContent(NamedTuple):
    """What a request carries, and its media type."""

    raw: bytes
    kind: str


class Client:
    """The daemon's HTTP API, a connection per request; `while_waiting` surrounds the time until an answer begins."""

    def __init__(
        self,
        daemon: Daemon,
        timeout_s: float = TIMEOUT_S,
        while_waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._daemon = daemon
        self._timeout_s = timeout_s
        self._while_waiting = while_waiting

    def get(self, path: str, query: Query | None = None) -> "Json":
        """Return what lies at `path`; None when the answer is empty.

        Raises:
            NotReachableError: no daemon answered.
            SessionNotFoundError: there is no such thing.
            CommandFailedError: the daemon refused or failed.
        """
        return self._request("GET", path, query)

    def post(
        self,
        path: str,
        query: Query | None = None,
        body: "Json" = None,
        headers: Mapping[str, str] | None = None,
    ) -> "Json":
        """Ask for something to be done; raises as `get`."""
        return self._request("POST", path, query, _written(body), headers)

    def upload(self, path: str, content: RequestContent) -> "Json":
        """Hand over a file; raises as `get`."""
        return self._request("POST", path, content=content)

    def put(self, path: str, body: "Json") -> "Json":
        """Ask for something to be as it is said here; raises as `get`."""
        return self._request("PUT", path, content=_written(body))

    def patch(self, path: str, body: "Json") -> "Json":
        """Ask for something to be changed; raises as `get`."""
        return self._request("PATCH", path, content=_written(body))

    def delete(self, path: str, query: Query | None = None) -> "Json":
        """Ask for something to be removed, and return what is said of it, if anything; raises as `get`."""
        return self._request("DELETE", path, query)

    def stream(
        self, path: str, query: Query | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[bytes]:
        """Yield the answer as it comes, without end if the daemon sends none; raises as `get`."""
        with self._open("GET", path, query, None, timeout_s=None, headers=headers) as answer:
            while chunk := answer.read1(65536):
                yield chunk

    def _request(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        content: RequestContent | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> "Json":
        with self._open(method, path, query, content, timeout_s=self._timeout_s, headers=headers) as answer:
            text = answer.read(_ANSWER_MAX_BYTES + 1)
            if not _is_ours(answer) or len(text) > _ANSWER_MAX_BYTES:
                raise self._stranger()
        try:
            document = foreign_json.parse(text, max_values=None) if text else None
        except UnreadableJsonError as error:
            raise self._stranger() from error
        return document

    def _stranger(self) -> NotReachableError:
        return NotReachableError(f"{self._name()} answered, but not as openwa-manager does: is the address right?")

    @contextmanager
    def _open(
        self,
        method: str,
        path: str,
        query: Query | None,
        content: RequestContent | None,
        *,
        timeout_s: float | None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        connection = _connection(self._daemon, timeout_s)
        try:
            raw, own = content.raw if content else None, self._headers(content)
            with suppress(BrokenPipeError, ConnectionResetError):  # who refuses a large body may not read it all
                connection.request(method, self._target(path, query), raw, {**own, **(headers or {})})
            with self._while_waiting():
                answer = connection.getresponse()
            if 300 <= answer.status < 400:
                raise self._stranger()
            if answer.status == http.client.NOT_FOUND and answer.headers.get_content_type() != _PROBLEM:
                raise self._stranger()
            if answer.status >= 400:
                raise self._error_of(answer)
            yield answer
        except TimeoutError as error:
            raise NotReachableError(f"{self._name()} did not answer within {timeout_s:g} s") from error
        except PermissionError as error:
            raise NotReachableError(ways_in(self._daemon)) from error
        except (OSError, http.client.HTTPException) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or repr(error)
            raise NotReachableError(f"no daemon answers at {self._name()} ({reason}){self._way_out(error)}") from error
        finally:
            connection.close()

    def _error_of(
        self, answer: http.client.HTTPResponse
    ) -> CommandFailedError | SessionNotFoundError | NotReachableError:
        message = _message_of(answer)
        if answer.status == http.client.UNAUTHORIZED:
            if isinstance(self._daemon, SocketDaemon) and self._daemon.key is None:
                return NotReachableError(ways_in(self._daemon))
            if self._daemon.key:
                return CommandFailedError("the key in OPENWA_API_KEY is not valid here (unauthenticated)")
            message += "; put a key into OPENWA_API_KEY"
        return NoSuchThingError(message) if answer.status == http.client.NOT_FOUND else CommandFailedError(message)

    def _way_out(self, error: OSError | http.client.HTTPException) -> str:
        """Return what is added to the complaint that no daemon answers, where something can be done about it."""
        if isinstance(self._daemon, SocketDaemon):
            start = "openwa-manager serve (or openwa-manager service install)"
            return f"; start it: {start}, or name its home: --home DIR"
        is_plain = getattr(error, "reason", None) in _NO_TLS  # of an ssl.SSLError, which is imported for https only
        return "; it speaks http://" if is_plain else ""

    def _name(self) -> str:
        return str(self._daemon.socket_path) if isinstance(self._daemon, SocketDaemon) else self._daemon.url

    def _target(self, path: str, query: Query | None) -> str:
        prefix = "" if isinstance(self._daemon, SocketDaemon) else urlsplit(self._daemon.url).path.rstrip("/")
        given = {name: _spelled(value) for name, value in (query or {}).items() if value is not None}
        return f"{prefix}{path}{'?' if given else ''}{urlencode(given, doseq=True)}"

    def _headers(self, content: RequestContent | None) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        if content is not None:
            headers["Content-Type"] = content.kind
        if self._daemon.key:
            headers["X-API-Key"] = _checked(self._daemon.key)
        return headers


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout_s: float | None) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


_KINDS: Mapping[str, type[http.client.HTTPConnection]] = {
    "http": http.client.HTTPConnection,
    "https": http.client.HTTPSConnection,
}


def _connection(daemon: Daemon, timeout_s: float | None) -> http.client.HTTPConnection:
    if isinstance(daemon, SocketDaemon):
        return _UnixConnection(str(daemon.socket_path), timeout_s)
    try:
        url = urlsplit(daemon.url)
        kind = _KINDS[url.scheme if url.hostname else ""]
        return kind(url.hostname or "", url.port or kind.default_port, timeout=timeout_s)
    except (KeyError, ValueError) as error:
        raise NotReachableError(f"{daemon.url!r} is no URL: write it as http://host:port or https://host") from error


def _is_ours(answer: http.client.HTTPResponse) -> bool:
    """Tell whether an answer is one of openwa-manager's, perhaps through a proxy: each has its request's id."""
    return answer.getheader("X-Request-ID") is not None


def _checked(key: str) -> str:
    if not key.isascii() or not key.isprintable():
        raise UsageError("the API key holds a line end or another character that no key has: set OPENWA_API_KEY anew")
    return key


def _written(body: "Json") -> RequestContent | None:
    if body is None:
        return None
    return RequestContent(json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"), "application/json")


def _spelled(value: Scalar | Sequence[str]) -> str | list[str]:
    if not isinstance(value, str) and isinstance(value, Sequence):
        return list(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _message_of(answer: http.client.HTTPResponse) -> str:
    text = answer.read(_ERROR_MAX_BYTES)
    try:
        problem = cast("Mapping[str, Json]", foreign_json.parse(text))
        return f"{problem['detail'] or problem['title']} ({problem['code']})".replace(*_BUILDS_LISTED)
    except (ValueError, TypeError, KeyError):
        return f"{answer.status} {answer.reason}: {text[:200].decode(errors='replace')}"
