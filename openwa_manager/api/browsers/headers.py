"""Gives every answer the headers that keep browsers from making anything of it but what it is."""

from collections.abc import Mapping
from typing import Final

from aiohttp import web

#: A year; browsers then never ask this host by plain HTTP again (RFC 6797).
_HSTS = "max-age=31536000"
_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"

#: What every answer says (OWASP, HTTP Headers Cheat Sheet). Nothing may be kept, for many answers hold secrets; nothing
#: of them may run, be framed, or be read by another site's page.
SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "openwa-manager",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

#: What a page of ours may do instead; set on its answer. An engine's answer cannot say so of itself.
PAGE_POLICY = web.ResponseKey("page_policy", str)
#: How long what holds nothing of anybody may be kept; set on its answer, with the same meaning.
PAGE_CACHE = web.ResponseKey("page_cache", str)


class SecuredAnswer(web.Response):
    """An answer that is made with the headers."""


def secure(request: web.Request, response: web.StreamResponse) -> None:
    """Give an answer the headers, in place of those that an engine may have sent under these names."""
    if not isinstance(response, SecuredAnswer):
        response.headers.update(SECURITY_HEADERS)
        if PAGE_POLICY in response:
            response.headers["Content-Security-Policy"] = response[PAGE_POLICY]
        if PAGE_CACHE in response:
            response.headers["Cache-Control"] = response[PAGE_CACHE]
    if request.transport is not None and request.transport.get_extra_info("sslcontext") is not None:
        response.headers["Strict-Transport-Security"] = _HSTS
