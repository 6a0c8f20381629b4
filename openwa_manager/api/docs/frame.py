"""Puts the text of a page into a whole document: the search box above it, the map of the pages beside it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Final

from openwa_manager.api.docs.assets import asset_addresses, page_file
from openwa_manager.api.docs.markdown import ADDRESS, Heading
from openwa_manager.domain.values import dataclass

_PLACE: Final = re.compile(r"\{\{(\w+)\}\}")
_SITE: Final = "openwa-manager"
_SHOWN_LEVEL: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A page as others show it: its name, its title, and what it is about, as HTML."""

    name: str
    title: str
    about: str

    @property
    def html(self) -> str:
        """Return a link to the page."""
        return f'<a href="{address_of(self.name)}">{escape(self.title)}</a>'


@dataclass(frozen=True, slots=True, kw_only=True)
class Below:
    """What the map shows below a page that is open: a heading of it, or another page (maybe the open one)."""

    address: str
    title: str
    is_here: bool = False


def below_of(headings: Iterable[Heading]) -> Sequence[Below]:
    """Return the headings of a page that the map shows."""
    return [Below(address=f"#{each.slug}", title=each.title) for each in headings if each.level == _SHOWN_LEVEL]


def address_of(name: str) -> str:
    """Return where a page is."""
    return f"{ADDRESS}/{escape(name)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFrame:
    """What is around the text of every page: `parts` are the pages by the parts of the map."""

    parts: Mapping[str, Sequence[Link]]

    def around(self, body: str, title: str, *, name: str = "", below: Iterable[Below] = (), query: str = "") -> bytes:
        """Return the document; what is `below` stands in the map below the page `name`, `query` in the search box."""
        places = {
            "title": escape(f"{title} · {_SITE}"),
            "icon": asset_addresses()["icon.svg"],
            "style": asset_addresses()["docs.css"],
            "script": asset_addresses()["docs.js"],
            "query": escape(query),
            "map": self._map(name, tuple(below)),
            "body": body + self._turn(name),
        }
        return _PLACE.sub(lambda place: places[place[1]], page_file("frame.html")).encode()

    def home(self) -> str:
        """Return the text of the first page: every page with what it is about."""
        parts = "".join(
            f"<section><h2>{escape(part)}</h2><dl>{''.join(map(_listed, links))}</dl></section>"
            for part, links in self.parts.items()
        )
        return (
            f"<h1>{_SITE}</h1>\n<p>Runs one OpenWA process for each WhatsApp session, watches it, and tells your "
            "backend everything that happens. Press <kbd>/</kbd> to search.</p>\n"
            f'<div class="parts">{parts}</div>'
        )

    def _map(self, name: str, below: Sequence[Below]) -> str:
        return "".join(
            f"<h2>{escape(part)}</h2><ul>{''.join(_item(link, name, below) for link in links)}</ul>"
            for part, links in self.parts.items()
        )

    def _turn(self, name: str) -> str:
        """Return the links to the page before and the one behind; nothing for a page that is in no part."""
        links = [link for part in self.parts.values() for link in part]
        place = next((place for place, link in enumerate(links) if link.name == name), None)
        if place is None:
            return ""
        return f'<div class="turn">{"".join(_neighbours(links, place))}</div>'


def _neighbours(links: Sequence[Link], place: int) -> Iterator[str]:
    yield f"<span>Before: {links[place - 1].html}</span>" if place else "<span></span>"
    if place + 1 < len(links):
        yield f"<span>Next: {links[place + 1].html}</span>"


def _listed(link: Link) -> str:
    return f"<dt>{link.html}</dt><dd>{link.about}</dd>"


def _item(link: Link, name: str, below: Sequence[Below]) -> str:
    if link.name != name:
        return f"<li>{link.html}</li>"
    is_here = not any(each.is_here for each in below)
    inside = "".join(f"<li>{_marked(each.address, each.title, is_here=each.is_here)}</li>" for each in below)
    shown = _marked(address_of(name), link.title, is_here=is_here)
    return f"<li>{shown}{f'<ul>{inside}</ul>' if inside else ''}</li>"


def _marked(address: str, title: str, *, is_here: bool) -> str:
    current = ' aria-current="page"' if is_here else ""
    return f'<a href="{escape(address)}"{current}>{escape(title)}</a>'
