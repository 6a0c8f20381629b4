"""Writes the page of a pairing link: one document that asks for nothing else and lets nothing else in."""

import base64
import hashlib
import html
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final

from aiohttp import web

from openwa_manager.api.browsers.headers import PAGE_POLICY
from openwa_manager.api.pairing.languages import language_for, texts_in

_PLACE: Final = re.compile(r"\{\{(\w+)\}\}")
#: How many digits of its number a page shows to whom it is meant for.
_SHOWN_DIGITS: Final = 4


def page(request: web.Request, part: str, status: int = 200, places: Mapping[str, str] | None = None) -> web.Response:
    """Return the answer with this part of the page, in the language the browser asks for.

    `places` are texts, or attributes of ours, beside those of the language.
    """
    language = language_for(request.headers.get("Accept-Language", ""))
    texts = {**{name: html.escape(text) for name, text in texts_in(language).items()}, **(places or {})}
    texts |= {name: html.escape(texts_in(language)[text]) for name, text in _NOTICES.get(part, {}).items()}
    body = _filled(_file(_FILES.get(part, f"{part}.html")), texts)
    document = _filled(_file("frame.html"), {**texts, "lang": language, "body": body, **_programs()})
    response = web.Response(status=status, text=document, content_type="text/html", headers=_HEADERS)
    response.headers["Content-Language"] = language
    response[PAGE_POLICY] = _policy()
    return response


def live_page(request: web.Request, phone_number: str | None) -> web.Response:
    """Return the answer with the page that shows codes; with a number (digits) it says whom it is for."""
    language = language_for(request.headers.get("Accept-Language", ""))
    ending = "" if phone_number is None else phone_number[-_SHOWN_DIGITS:]
    places = {
        "only_number": html.escape(texts_in(language)["only_number"].replace("{ending}", ending)),
        "for_number": "hidden" if phone_number is None else "",
        "for_any": "" if phone_number is None else "hidden",
    }
    return page(request, "live", places=places)


#: Parts that are the same but for their words: which file, and the names of the words in it.
_FILES: Final = {"over": "notice.html", "elsewhere": "notice.html", "busy": "retry.html", "failed": "retry.html"}
_NOTICES: Final = {part: {"notice_title": f"{part}_title", "notice": part} for part in _FILES}
#: Nothing of a page is found by search engines; and it asks for none of what a browser can do.
_HEADERS: Final = {
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Vary": "Accept-Language",
}


@cache
def _policy() -> str:
    """Return what the page may do: its own style and script, known by their hashes, and to ask us."""
    script, style = (_hash(_file(name)) for name in ("page.js", "page.css"))
    return (
        f"default-src 'none'; script-src '{script}'; style-src '{style}'; img-src data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


@cache
def _programs() -> Mapping[str, str]:
    return {"script": _file("page.js"), "style": _file("page.css")}


@cache
def _file(name: str) -> str:
    return (resources.files(__package__) / "page" / name).read_text("utf-8").strip()


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _filled(template: str, places: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda place: places[place[1]], template)
