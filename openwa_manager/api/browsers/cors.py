"""Lets the pages of chosen sites call this API from a browser; without such a setting no page of another site can."""

from collections.abc import Collection

from aiohttp import hdrs, web

_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, X-API-Key, X-Request-ID"
_READABLE = "ETag, Retry-After, X-Request-ID"
#: How long a browser remembers the answer: Chromium's default is 5 s, its most 7200 s.
_REMEMBERED_S = "600"


class Cors:
    """Answers what browsers ask before they let a page call (fetch.spec.whatwg.org, CORS protocol).

    `origins` are compared as browsers send them, letter by letter. There is no wildcard, and cookies are never let
    through: whoever calls has a key.
    """

    def __init__(self, origins: Collection[str] = ()) -> None:
        self._origins = frozenset(origins)

    def preflight(self, request: web.Request) -> web.Response | None:
        """Return the answer to a browser's question, which carries no key; None: it is none, or not of a site named."""
        is_preflight = request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
        if not is_preflight or not self._is_allowed(request):
            return None
        allowed = {
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: _METHODS,
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: _HEADERS,
            hdrs.ACCESS_CONTROL_MAX_AGE: _REMEMBERED_S,
        }
        return web.Response(status=204, headers=allowed)

    def mark(self, request: web.Request, response: web.StreamResponse) -> None:
        """Say on every answer, errors too, that a chosen site's page may read it."""
        if not self._origins:
            return
        response.headers.add(hdrs.VARY, hdrs.ORIGIN)
        if self._is_allowed(request):
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = request.headers[hdrs.ORIGIN]
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _READABLE

    def _is_allowed(self, request: web.Request) -> bool:
        return request.headers.get(hdrs.ORIGIN) in self._origins
