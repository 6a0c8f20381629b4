"""What is said about URLs that people write: what is wrong with one, and how it is shown without its password."""

import re
from urllib.parse import urlsplit

_SCHEME = re.compile(r"https?://", re.IGNORECASE)
#: Up to the last @ before the path: a password may hold one that was not escaped.
_CREDENTIALS = re.compile(r"(?<=://)([^\s/?#:@]*+)(:?+)[^\s/?#]*@")
_URL = re.compile(r"https?://\S+", re.IGNORECASE)
HIDDEN = "***"
#: By these names nobody reaches this host from outside.
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def url_problem(text: str) -> str | None:
    """Return what is wrong with the URL of a receiver; None when it may be used."""
    if re.search(r"[\x00-\x20\x7f-\xa0\ufeff]", text):
        return "is no URL: there is a space or a control character in it"
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        return f"is no URL: {error}"
    if url.scheme not in ("http", "https") or not url.hostname or url.fragment or port == 0:
        return "write it as http://… or https://…"
    where = text.partition("?")[0]
    if len(_SCHEME.findall(where)) > 1 or url.hostname in ("http", "https"):
        return "is more than one URL: name one here, further receivers are endpoints"
    return None


def public_url_problem(text: str) -> str | None:
    """Return what is wrong with the URL under which people reach this daemon; None when it may be used."""
    if problem := url_problem(text):
        return problem
    url = urlsplit(text)
    if url.username is not None or "?" in text or "#" in text or "\\" in text:
        return "write it without a name, a password, ? and #: https://wa.example.com, or with a path behind it"
    if url.scheme != "https" and url.hostname not in LOOPBACK_NAMES:
        return "write it as https://…: who reads along what goes to a phone could link it himself"
    return None


def without_password(text: str) -> str:
    """Return a text with the credentials hidden of every URL in it: the password, or a name that stands alone."""
    return _CREDENTIALS.sub(lambda found: f"{found[1]}:{HIDDEN}@" if found[2] else f"{HIDDEN}@", text)


def proxy_without_password(url: str) -> str:
    """Return a proxy's URL with its password hidden, or with a name that stands alone.

    It has no path: all before its last @ is a login, also where a password holds a ? or a # that was not escaped.
    """
    scheme, _, rest = url.partition("://")
    login, at, address = rest.rpartition("@")
    if not at:
        return url
    name, colon, _ = login.partition(":")
    return f"{scheme}://{name}:{HIDDEN}@{address}" if colon else f"{scheme}://{HIDDEN}@{address}"


def without_urls(text: str) -> str:
    """Return a text with every URL in it hidden: its path or its query may be what lets people in."""
    return _URL.sub(HIDDEN, text)
