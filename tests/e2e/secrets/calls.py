"""Calls of every route of the description, with secrets in every place where something may stand."""

import http.client
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from urllib.parse import quote, urlencode

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import Answer

_JSON = "application/json"
#: So many of the secrets are tried in the path of each route; over the whole walk it is every one many times.
PATHS_PER_ROUTE = 2
#: Headers that something reads.
HEADERS = ("Cookie", "Last-Event-ID", "X-Forwarded-For", "Forwarded", "Origin", "Accept-Language")
#: What a caller calls a thing is kept and shown as he wrote it: no secret belongs there.
_FIELDS_OF_NAMES = frozenset({"name", "labels", "reference", "title", "reason"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call; `place` says what is tried."""

    method: str
    route: str
    path: str
    place: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """Somebody at the daemon's port, with a key or without."""

    port: int
    key: str | None = None

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Call, and return the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=100)
        kind = {} if body is None else {"Content-Type": _JSON}
        key = {} if self.key is None else {"X-API-Key": self.key}
        try:
            connection.request(method, path, body, {**kind, **key, **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def put(self, method: str, path: str, **fields: Json) -> Answer:
        """Call with a JSON body."""
        return self.ask(method, path, json.dumps(fields).encode())


class Walk:
    """Every route of an OpenAPI document, with these secrets in the wrong places.

    Where a name of the caller's own is expected only `made` are tried: a name cannot be told from a word he chose.
    """

    def __init__(
        self, document: Mapping[str, Json], secrets: Sequence[str], made: Sequence[str], ids: Mapping[str, str]
    ) -> None:
        self._paths: Mapping[str, Mapping[str, Json]] = document["paths"]  # type: ignore[assignment]
        self._schemas: Mapping[str, Mapping[str, Json]] = document["components"]["schemas"]  # type: ignore[index, call-overload, assignment]
        self._secrets = secrets
        self._next = cycle(secrets)
        self._made = cycle(made)
        self._ids = ids

    def __iter__(self) -> Iterator[Request]:
        for route, operations in self._paths.items():
            for method, operation in operations.items():
                assert isinstance(operation, dict)
                yield from self._requests(method.upper(), route, operation)

    def _requests(self, method: str, route: str, operation: Mapping[str, Json]) -> Iterator[Request]:
        for _ in range(PATHS_PER_ROUTE):
            yield Request(method=method, route=route, place="path", path=self._filled(route, {}, next(self._made)))
        # What does something is asked of a session that is none, and with a body that is none.
        is_read = method == "GET"
        path, body = (self._filled(route, self._ids), None) if is_read else (self._filled(route, {}), b'["none"]')
        places: dict[str, tuple[str, Mapping[str, str]]] = {
            "behind the path": (f"{path}/{self._behind(route)}", {}),
            "query": (f"{path}?{self._query(operation)}", {}),
            "headers": (path, {name: self._plain() for name in HEADERS} | {"X-Request-ID": next(self._made)}),
        }
        for place, (where, headers) in places.items():
            yield Request(method=method, route=route, place=place, path=where, headers=headers, body=body)
        yield Request(method="PURGE", route=route, place="method", path=f"{path}?a={self._quoted()}")
        if not is_read:
            yield from self._with_bodies(method, route, operation)

    def _behind(self, route: str) -> str:
        """Return what stands behind a route's path: of another route it may be a name."""
        is_name = any(each.rpartition("/")[0] == route for each in self._paths if each.endswith("}"))
        return quote(next(self._made), safe="") if is_name else self._quoted()

    def logins(self) -> Iterator[Request]:
        """Yield calls with secrets where a key is expected, in every way to give one."""
        for secret in self._secrets:
            for headers in ({"X-API-Key": secret}, {"Authorization": f"Bearer {secret}"}, {"Authorization": secret}):
                yield Request(method="GET", route="/v1/none", place="login", path="/v1/none", headers=headers)

    def _with_bodies(self, method: str, route: str, operation: Mapping[str, Json]) -> Iterator[Request]:
        said = " | ".join(self._secrets)
        odd = {name: self._plain() for name in self._members(operation)} | {"unknown": said}
        bodies: dict[str, tuple[str, bytes]] = {
            "members": (_JSON, json.dumps(odd).encode()),
            "no JSON": (_JSON, f'{{"text": "{said}'.encode()),
            "form": (f"multipart/form-data; boundary={self._secrets[0][:40]}", said.encode()),
        }
        ours: dict[str, tuple[str, bytes]] = {
            "one string": (_JSON, json.dumps(said).encode()),
            "text": ("text/plain", said.encode()),
            "csv": ("text/csv", f"to,reason\n{said},\n".encode()),
            "odd kind": (self._plain(), b"{}"),
            "too large": (_JSON, json.dumps({"text": said[:900] * 80}).encode()),
        }
        for place, (kind, body) in (bodies | (ours if route.startswith("/v1") else {})).items():
            yield Request(
                method=method,
                route=route,
                place=f"body: {place}",
                path=self._filled(route, {}),
                headers={"Content-Type": kind, "Idempotency-Key": self._plain()},
                body=body,
            )

    def _members(self, operation: Mapping[str, Json]) -> Iterator[str]:
        content: Mapping[str, Mapping[str, Mapping[str, str]]]
        content = operation.get("requestBody", {}).get("content", {})  # type: ignore[union-attr, assignment]
        name = content.get(_JSON, {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
        properties = self._schemas.get(name, {}).get("properties", {})
        assert isinstance(properties, dict)
        yield from (each for each in properties if each not in _FIELDS_OF_NAMES)

    def _query(self, operation: Mapping[str, Json]) -> str:
        given = operation.get("parameters", [])
        assert isinstance(given, list)
        names = [str(each.get("name", each.get("$ref", ""))).rpartition("/")[2] for each in given]
        return urlencode({name: self._plain() for name in (*names, "api_key", "token", "text")})

    def _filled(self, route: str, ids: Mapping[str, str], other: str | None = None) -> str:
        parts = (self._part(part, ids, other) for part in route.split("/"))
        return "/".join(parts)

    def _part(self, part: str, ids: Mapping[str, str], other: str | None) -> str:
        if not part.startswith("{"):
            return part
        return quote(ids.get(part[1:-1], "none") if other is None else other, safe="")

    def _plain(self) -> str:
        return next(self._next)

    def _quoted(self) -> str:
        return quote(self._plain(), safe="")
