"""Serves the pages at `/docs`: to everybody, for they tell nothing of this host."""

import asyncio
import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

from aiohttp import hdrs, web
from pydantic import Field

from openwa_manager.api.bodies.large_answers import large_answer
from openwa_manager.api.browsers.headers import PAGE_CACHE, PAGE_POLICY
from openwa_manager.api.openapi import DESCRIPTION
from openwa_manager.api.requests import Nothing, Query
from openwa_manager.api.routing import Route, unread_route
from openwa_manager.domain.access.roles import OPEN
from openwa_manager.domain.delivery.events import Json

if TYPE_CHECKING:
    from openwa_manager.api.docs.assets import File
    from openwa_manager.api.docs.site import DocsSite

_HTML: Final = "text/html"
#: What a page may do: nothing but show our own style, run our own script, and ask us; nothing inside it is a program.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
#: Packed is what a browser gets that says it can unpack it (RFC 9110, 12.5.3); `q=0` says that it cannot.
_GZIP: Final = re.compile(r"(?:^|,)\s*gzip\s*(?:;\s*q=(?:1|0\.0*[1-9])[0-9.]*\s*)?(?:,|$)", re.IGNORECASE)
#: What is larger is sent in pieces, and to a stranger one on a connection.
_WHOLE_MAX_BYTES: Final = 64 * 1024
#: Nothing of it is found by search engines: whoever finds it has found a host to try.
_HEADERS: Final = {
    "X-Robots-Tag": "noindex",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class SearchQuery(Query):
    """What is looked for: words that must all be there."""

    q: Annotated[str, Field(description="Words; only the first 100 characters and 8 words count.")] = ""


class DocsRoutes:
    """`/docs` and what is below it.

    Nothing is read or drawn before somebody asks: then a thread does it, for one page after the other.
    """

    def __init__(self) -> None:
        self._site: DocsSite | None = None
        self._drawn: set[str] = set()
        self._turn = asyncio.Lock()

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        page, asset = {200: (_HTML,), 304: (), 404: (_HTML,)}, {200: ("*/*",), 304: (), 404: (_HTML,)}
        return (
            unread_route("GET /docs", OPEN, self.list, Nothing, {200: (_HTML,), 304: ()}),
            unread_route("GET /docs/search", OPEN, self.search, SearchQuery, {200: (_HTML,)}),
            unread_route("GET /docs/index.json", OPEN, self.index, Nothing, {200: ("application/json",), 304: ()}),
            unread_route("GET /docs/assets/{name}", OPEN, self.asset, Nothing, asset),
            unread_route("GET /docs/{page}", OPEN, self.show, Nothing, page),
            unread_route("GET /docs/{folder}/{page}", OPEN, self.show_below, Nothing, page),
        )

    async def list(self, request: web.Request) -> web.Response:
        """List all pages."""
        return await self._answer(request, "list", lambda site: site.home())

    async def show(self, request: web.Request) -> web.Response:
        """Show a page."""
        return await self._answer_page(request, request.match_info["page"])

    async def show_below(self, request: web.Request) -> web.Response:
        """Show a page of a folder, such as `reference/settings` or `api/sessions`."""
        return await self._answer_page(request, f"{request.match_info['folder']}/{request.match_info['page']}")

    async def search(self, request: web.Request) -> web.Response:
        """Say where the words of `q` stand."""
        query = request.query.get("q", "")
        return await self._answer(request, "search", lambda site: site.found(query))

    async def index(self, request: web.Request) -> web.Response:
        """Give a page what it searches by itself."""
        return await self._answer(request, "index", lambda site: site.index())

    async def asset(self, request: web.Request) -> web.Response:
        """Give a page its style, its script or its picture; they are named by their hashes."""
        name = request.match_info["name"]
        return await self._answer(request, f"asset {name}", lambda site: site.asset(name) or site.missing())

    async def _answer_page(self, request: web.Request, name: str) -> web.Response:
        return await self._answer(request, f"page {name}", lambda site: site.page(name) or site.missing())

    async def _answer(self, request: web.Request, what: str, get: "Callable[[DocsSite], File]") -> web.Response:
        """Answer with a file; what is drawn already comes at once, in the turn of who asks (StrangerTurns)."""
        if self._site is not None and what in self._drawn:
            return _answer_with(request, get(self._site))
        await self._turn.acquire()
        draw = partial(self._draw, request.app[DESCRIPTION].document, get)
        drawing = asyncio.get_running_loop().run_in_executor(None, draw)
        drawing.add_done_callback(lambda _: self._turn.release())
        await asyncio.wait({drawing})  # which leaves it alone when who asked hangs up
        file = drawing.result()
        if file.status == web.HTTPOk.status_code:
            self._drawn.add(what)
        return _answer_with(request, file)

    def _draw(self, describe: "Callable[[], dict[str, Json]]", get: "Callable[[DocsSite], File]") -> "File":
        if self._site is None:
            self._site = _site(describe)
        return get(self._site)


def _site(describe: "Callable[[], dict[str, Json]]") -> "DocsSite":
    """Return all pages; what draws them is not imported before somebody wants one."""
    from openwa_manager.api.docs.site import DocsSite

    return DocsSite(describe)


def _answer_with(request: web.Request, file: "File") -> web.Response:
    body, encoding = file.body, ""
    if file.packed is not None and _GZIP.search(request.headers.get(hdrs.ACCEPT_ENCODING, "")):
        body, encoding = file.packed, "gzip"
    tag = f"{file.tag}{encoding}" if file.has_tag else None
    if tag is not None and any(each.value in (tag, "*") for each in request.if_none_match or ()):
        answer = web.Response(status=304)
    else:
        answer = _whole(request, file, body, encoding)
    answer.headers.update({**_HEADERS, hdrs.VARY: hdrs.ACCEPT_ENCODING})
    answer.etag = tag
    answer[PAGE_CACHE] = file.cache
    if file.content_type == _HTML:
        answer[PAGE_POLICY] = _POLICY
    return answer


def _whole(request: web.Request, file: "File", body: bytes, encoding: str) -> web.Response:
    if len(body) > _WHOLE_MAX_BYTES:
        answer = large_answer(request, body, file.content_type)
    else:
        answer = web.Response(status=file.status, body=body, content_type=file.content_type)
    if file.content_type.startswith("text/"):
        answer.charset = "utf-8"
    if encoding:
        answer.headers[hdrs.CONTENT_ENCODING] = encoding
    return answer
