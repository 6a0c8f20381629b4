"""Serves the pages of pairing links: a button first, then codes as they change, for the one browser that pressed it."""

import base64
import hashlib
from collections.abc import Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from openwa_manager.api.access.records import address_of
from openwa_manager.api.delivery.event_stream import EVENT_STREAM, StreamTiming
from openwa_manager.api.errors import RETRY_AFTER_S, STATUS_OF, ForbiddenError
from openwa_manager.api.lists.pages import write_within
from openwa_manager.api.pairing.links import PAGES, PairingDependencies, number_in
from openwa_manager.api.pairing.page import live_page, page
from openwa_manager.api.pairing.requests import PageCodeIn
from openwa_manager.api.pairing.responses import PageCodeOut, PageView
from openwa_manager.api.request_keys import CLIENT
from openwa_manager.api.requests import Nothing
from openwa_manager.api.routing import Call, Route, json_answer, json_of, route, unread_route
from openwa_manager.domain.access.pairing_links import PairingLink
from openwa_manager.domain.access.roles import OPEN
from openwa_manager.domain.errors import (
    BoundElsewhereError,
    IllegalTransitionError,
    InvalidRecipientError,
    LinkOverError,
    OpenwaManagerError,
    RateLimitedError,
)
from openwa_manager.domain.session.numbers import is_same_number
from openwa_manager.services.access.pairing.open_link import OpenLink
from openwa_manager.services.access.pairing.view import PairingView

HTML: Final = "text/html"
#: The name of the cookie by which a browser is known; with this beginning no other host and no plain HTTP can set it.
_COOKIE: Final = "pairing-"
_SECURE_COOKIE: Final = f"__Host-{_COOKIE}"
#: Sent first: how soon (ms) a page comes back if its stream breaks.
_OPENING: Final = b"retry: 2000\n\n"
_COMMENT: Final = b":\n\n"
#: What a browser says of where a request comes from; another site's page must not press the button.
_OWN_SITE: Final = frozenset({"same-origin", "none"})
#: The part of the page that says what to do, by the kind of error; why, it does not tell.
_PARTS: Final[Mapping[type[OpenwaManagerError], str]] = {
    LinkOverError: "over",
    BoundElsewhereError: "elsewhere",
    IllegalTransitionError: "failed",
}


class PairingPageRoutes:
    """`/pair/{token}` and what its page asks for; whoever has the token needs no key."""

    def __init__(self, dependencies: PairingDependencies, timing: StreamTiming) -> None:
        self._links = dependencies.links
        self._cookie = _SECURE_COOKIE if dependencies.is_secure else _COOKIE
        self._is_secure = dependencies.is_secure
        self._public_place = urlsplit(dependencies.public_url or "").netloc
        self._timing = timing
        self._visits = dependencies.visits

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        where, page_answers = f"{PAGES}{{token}}", {200: (HTML,), 404: (HTML,), 429: (HTML,)}
        pressed = {**page_answers, 403: (HTML,), 409: (HTML,), 503: (HTML,), 507: (HTML,)}
        watched = {200: (EVENT_STREAM,), 403: (), 404: (), 429: ()}
        asked = {201: (PageCodeOut,), 403: (), 409: (), 429: (), 502: (), 504: ()}
        return (
            unread_route(f"GET {where}", OPEN, self.show, Nothing, page_answers),
            unread_route(f"POST {where}", OPEN, self.press, Nothing, pressed),
            unread_route(f"GET {where}/events", OPEN, self.follow, Nothing, watched),
            route(f"POST {where}/code", OPEN, self.request_code, PageCodeIn, asked),
        )

    async def show(self, request: web.Request) -> web.Response:
        """Show the page of a pairing link with its button; nothing is done yet."""
        try:
            self._find(request)
        except OpenwaManagerError as error:
            return _refusal(request, error)
        return page(request, "welcome")

    async def press(self, request: web.Request) -> web.Response:
        """Have the session show codes to this browser, and to no other from now on."""
        try:
            self._require_own_page(request)
            found = self._find(request, self._browser(request))
            secret = await self._links.begin(found, self._browser(request), address_of(request))
        except OpenwaManagerError as error:
            return _refusal(request, error)
        answer = live_page(request, found.link.phone_number)
        answer.set_cookie(
            self._cookie_for(request),
            secret,
            max_age=max(1, round(found.link.expires_at - found.link.created_at)),
            path="/",
            secure=self._is_secure,
            httponly=True,
            samesite="Strict",
        )
        return answer

    async def follow(self, request: web.Request) -> web.StreamResponse:
        """Stream what the page has to show, as it changes, to the browser that the link belongs to."""
        found = self._find_own(request)
        headers = {"Content-Type": EVENT_STREAM, "X-Accel-Buffering": "no", "X-Robots-Tag": "noindex"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        await write_within(response, _OPENING, self._timing.stall_s)
        async with aclosing(self._links.follow(found)) as views:
            async for view in views:
                await write_within(response, _COMMENT if view is None else _frame(view), self._timing.stall_s)
        await response.write_eof()
        return response

    async def request_code(self, call: Call[PageCodeIn]) -> web.Response:
        """Ask for a code to type into the phone, for the browser that the link belongs to."""
        self._require_own_page(call.request)
        found = self._find_own(call.request)
        number = _number_for(found.link, call.arguments.phone_number)
        code = await self._links.request_code(found, number, address_of(call.request))
        return json_answer(PageCodeOut(pairing_code=code), 201)

    def _find(self, request: web.Request, browser: str | None = None) -> OpenLink:
        """Return the link that is asked for.

        Raises:
            LinkOverError: there is none, or not any more.
            RateLimitedError: it, or this caller for links that are none, is asked for too often.
        """
        try:
            found = self._links.find(request.match_info["token"], browser)
        except LinkOverError:
            self._visits.note_stranger(request.get(CLIENT))
            raise
        self._visits.note(found.link.link_id)
        return found

    def _find_own(self, request: web.Request) -> OpenLink:
        """Return the link that is asked for, if it belongs to this browser.

        Raises:
            LinkOverError | RateLimitedError: as in `_find`.
            BoundElsewhereError: it does not.
        """
        browser = self._browser(request)
        found = self._find(request, browser)
        if not found.is_of(browser):
            raise BoundElsewhereError("this link belongs to another browser, or to none yet")
        return found

    def _browser(self, request: web.Request) -> str | None:
        """Return the secret that this browser was given for the link that is asked for; None: it has none."""
        return request.cookies.get(self._cookie_for(request))

    def _cookie_for(self, request: web.Request) -> str:
        """Return the name of the cookie for the link that is asked for: one browser may have several."""
        return self._cookie + hashlib.sha256(f"cookie {request.match_info['token']}".encode()).hexdigest()[:16]

    def _require_own_page(self, request: web.Request) -> None:
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
        if site is not None:
            is_own = site.strip().lower() in _OWN_SITE
        else:  # a browser of before 2023; behind a proxy the page has another name than the request
            is_own = origin is None or origin.partition("://")[2] in (request.host, self._public_place)
        if not is_own:
            raise ForbiddenError("another site's page asks for this")


def _number_for(link: PairingLink, given: str | None) -> str:
    """Return the digits of the number that is to be linked: that of the link, or the one that was given.

    Raises:
        InvalidRecipientError: there is none, or another one than that of the link.
    """
    number = link.phone_number if given is None else number_in(given)
    if number is None:
        raise InvalidRecipientError("phone_number is missing: this link is for any")
    if link.phone_number is not None and not is_same_number(number, link.phone_number):
        raise InvalidRecipientError("phone_number is not the one this link is for")
    return number


def _refusal(request: web.Request, error: OpenwaManagerError) -> web.Response:
    """Return the page that says what to do."""
    part = next((part for kind, part in _PARTS.items() if isinstance(error, kind)), "busy")
    answer = page(request, part, STATUS_OF.get(error.code, 500))
    if isinstance(error, RateLimitedError):
        answer.headers["Retry-After"] = str(error.retry_after_s)
    elif answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
        answer.headers["Retry-After"] = str(RETRY_AFTER_S[error.code])
    return answer


def _frame(view: PairingView) -> bytes:
    shown = PageView(
        state=view.state.value,
        qr_base64=None if view.image is None else base64.b64encode(view.image).decode("ascii"),
        code_left_s=None if view.code_left_s is None else round(view.code_left_s, 1),
        link_left_s=round(view.link_left_s, 1),
        codes_left=view.codes_left,
    )
    return b"data: %b\n\n" % json_of(shown)
