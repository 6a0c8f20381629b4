"""Finds what OpenWA would fetch for a request: the addresses of media, wherever they stand in its body."""

import re
from collections.abc import Iterable, Iterator, Mapping

from openwa_manager.api.gateway.media.skeletons import CUT
from openwa_manager.domain.delivery.events import Json

#: Members that OpenWA takes media from (0.23: `url` and `base64`, either of which may hold an address), and what later
#: versions may call them; a `proxyUrl` is none.
_MEDIA = re.compile(
    r"(?!proxy).*url|base64|data|media|file|image|picture|photo|video|audio|voice|document|sticker|thumbnail",
    re.IGNORECASE,
)
#: It is shown, and nothing is fetched from it (OpenWA 0.23, send-message.dto.ts).
_ONLY_SHOWN = "customlinkpreview"
#: As OpenWA renders what is sent in bulk (0.23, template-renderer).
_PLACEHOLDER = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}|\{(\w+)\}", re.ASCII)
#: So much of a filled text is looked at: no address that OpenWA takes is as long.
_BEGINNING = 4096
_KEYS = re.compile(r"\[([^\[\]]*)\]")
_FORM_DEPTH = 32

# As browsers and Node.js read an address (WHATWG URL): space around it and line ends inside do not count, nor how many
# slashes there are, nor which.
_AROUND = "".join(map(chr, range(0x21)))
_INSIDE = re.compile(r"[\t\n\r]")
_DATA = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)
_UNFINISHED_DATA = re.compile(r"data:[^,]*\Z", re.IGNORECASE)
_ADDRESS = re.compile(r"https?:[/\\]*([^/\\?#]*)", re.IGNORECASE)


def media_in(body: Json) -> Iterator[str]:
    """Yield the texts of a JSON body from which OpenWA takes media, those of a bulk send filled in."""
    return _walk(body, "", {})


def media_in_form(fields: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield the texts of a form from which OpenWA takes media; `a[b][c]` is the member `c` of `b` in `a`."""
    form: dict[str, Json] = {}
    for name, text in fields:
        begin = name.partition("[")[0]
        *way, last = (begin, *_KEYS.findall(name[len(begin) :]))[:_FORM_DEPTH]
        there = form
        for key in way:
            inner = there.get(key)
            there[key] = there = inner if isinstance(inner, dict) else {} if inner is None else {"0": inner}
        known = there.get(last)
        there[last or str(len(there))] = text if known is None else [known, text]
    return media_in(form)


def _walk(value: Json, name: str, variables: Mapping[str, Json]) -> Iterator[str]:
    """Yield what stands in a value; `name` is that of the member it is, or is in a list of."""
    if isinstance(value, str):
        if _MEDIA.fullmatch(name):
            yield _filled(value, variables)
    elif isinstance(value, list):
        for each in value:
            yield from _walk(each, name, variables)
    elif isinstance(value, dict):
        given = value.get("variables")
        within = given if isinstance(given, dict) else variables
        for member, each in value.items():
            if member.lower() != _ONLY_SHOWN:
                yield from _walk(each, name if member.isdecimal() else member, within)


def _filled(text: str, variables: Mapping[str, Json]) -> str:
    """Return the beginning of a text with its placeholders filled in."""
    filled, at = "", 0
    for found in _PLACEHOLDER.finditer(text):
        given = variables.get(found[1] or found[2])
        filled += text[at : found.start()] + (found[0] if given is None else str(given))
        at = found.end()
        if len(filled) > _BEGINNING:
            return filled + CUT
    return filled + text[at:]


def authority_of(text: str) -> str | None:
    """Return host and port as they stand in an address; None when the text is none: base64, or nothing at all.

    Empty: there is an address, but not where it leads.
    """
    while data := _DATA.match(text):
        text = text[data.end() :]
    if CUT in text and _UNFINISHED_DATA.match(text):
        return ""
    address = _ADDRESS.match(_INSIDE.sub("", text.strip(_AROUND)))
    return address[1] if address else None
