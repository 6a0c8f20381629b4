"""All pages that a browser can ask for; each is drawn when it is first asked for, and kept."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from html import escape
from typing import Final

from openwa_manager.api.docs.assets import NEVER_KEPT, File, assets
from openwa_manager.api.docs.calls import LEAD, NAME, TITLE, Chapter, chapters_of
from openwa_manager.api.docs.contents import OTHERS, PARTS, entries, parts
from openwa_manager.api.docs.frame import Below, Link, PageFrame, address_of, below_of
from openwa_manager.api.docs.markdown import Drawn, Section, draw, draw_line
from openwa_manager.api.docs.openapi_model import Document
from openwa_manager.api.docs.search import QUERY_MAX, Index, SearchedSection, excerpt, words_of
from openwa_manager.domain.delivery.events import Json

_HTML: Final = "text/html"
#: The part of the map in which the description of the API stands, first of all.
_API_PART: Final = "Reference"
#: The page of the package that tells the same in one piece: neither the map nor the search has it a second time.
_API_PAGE: Final = "reference/api"
#: What is found twice as well, and where: whoever searches mostly wants to use it, not to change it.
_FOR_USERS: Final = 2
_FOR_DEVELOPERS: Final = frozenset(PARTS["How it is made"])


class DocsSite:
    """The pages of the package, and the API's as its OpenAPI document (`describe`) tells of it.

    Its methods read files and draw, so they are called in a thread; what they return is kept.
    """

    def __init__(self, describe: Callable[[], dict[str, Json]]) -> None:
        self._describe = describe
        self._entries = entries()
        self._titles = {name: entry.title for name, entry in self._entries.items()}
        self._drawn: dict[str, Drawn] = {}
        self._files: dict[str, File] = {}

    @property
    def names(self) -> Sequence[str]:
        """Return the names of all pages."""
        return (*self._entries, *self._chapters)

    def home(self) -> File:
        """Return the page that lists the others."""
        return self._kept("", lambda: self._frame.around(self._frame.home(), "All pages"))

    def page(self, name: str) -> File | None:
        """Return a page; None: there is none of that name."""
        if name in self._entries:
            return self._kept(name, lambda: self._framed_page(name))
        if name.partition("/")[0] == NAME and name in self._chapters:
            return self._kept(name, lambda: self._framed_chapter(self._chapters[name]))
        return None

    def asset(self, name: str) -> File | None:
        """Return a file that the pages ask for; None: there is none of that name."""
        return assets().get(name)

    def index(self) -> File:
        """Return what a browser searches."""
        if "index" not in self._files:
            self._files["index"] = File(body=self._index.document(), content_type="application/json")
        return self._files["index"]

    def found(self, query: str) -> File:
        """Return the page that says where the words of a query stand."""
        query = query[:QUERY_MAX]
        hits = self._index.find(query)
        words = words_of(query)
        rows = "".join(f"<li>{_hit(place, words)}</li>" for place in hits)
        said = f"{len(hits)} found" if hits else ("Nothing has all these words." if words else "Say what to look for.")
        body = f'<h1>Search</h1>\n<p>{said}</p>\n<ul class="hits">{rows}</ul>'
        return File(body=self._frame.around(body, "Search", query=query), content_type=_HTML, cache=NEVER_KEPT)

    def missing(self) -> File:
        """Return the page that says that there is none."""
        return self._missing

    @cached_property
    def _missing(self) -> File:
        body = "<h1>There is no such page</h1>\n<p>The map has all pages; the box above searches them.</p>"
        return File(body=self._frame.around(body, "No such page"), content_type=_HTML, cache=NEVER_KEPT, status=404)

    @cached_property
    def _chapters(self) -> Mapping[str, Chapter]:
        link = f' <a href="{address_of(_API_PAGE)}">All calls on one page</a>.'
        more = link if _API_PAGE in self._entries else ""
        return {each.name: each for each in chapters_of(Document.model_validate(self._describe()), more)}

    @cached_property
    def _frame(self) -> PageFrame:
        api = Link(name=NAME, title=TITLE, about=LEAD)
        found = parts()
        shown = {
            part: [
                *([api] if part == _API_PART else []),
                *(
                    Link(name=each.name, title=each.title, about=draw_line(each.lead, self._titles, each.name))
                    for each in found.get(part, ())
                    if each.name != _API_PAGE
                ),
            ]
            for part in (*PARTS, OTHERS)
            if part in found or part == _API_PART
        }
        return PageFrame(parts=shown)

    @cached_property
    def _index(self) -> Index:
        return Index(self._places())

    def _places(self) -> Iterator[SearchedSection]:
        for name, entry in self._entries.items():
            if name == _API_PAGE:
                continue
            for section in self._page(name).sections:
                yield _place(name, entry.title, section, 1 if name in _FOR_DEVELOPERS else _FOR_USERS)
        for name, chapter in self._chapters.items():
            for section in chapter.sections:
                yield _place(name, chapter.title, section, _FOR_USERS)

    def _page(self, name: str) -> Drawn:
        if name not in self._drawn:
            source = self._entries[name].path.read_text("utf-8")
            self._drawn[name] = draw(source, name, self._titles)
        return self._drawn[name]

    def _framed_page(self, name: str) -> bytes:
        drawn, title = self._page(name), self._entries[name].title
        below = below_of(section.heading for section in drawn.sections)
        return self._frame.around(drawn.html, title, name=name, below=below)

    def _framed_chapter(self, chapter: Chapter) -> bytes:
        below = [
            Below(address=address_of(each.name), title=each.name.rpartition("/")[2], is_here=each is chapter)
            for each in self._chapters.values()
            if each.name != NAME
        ]
        return self._frame.around(chapter.html, chapter.title, name=NAME, below=below)

    def _kept(self, name: str, make: Callable[[], bytes]) -> File:
        key = f"page {name}"
        if key not in self._files:
            self._files[key] = File(body=make(), content_type=_HTML)
        return self._files[key]


def _place(name: str, title: str, section: Section, weight: int) -> SearchedSection:
    return SearchedSection(
        address=f"{address_of(name)}#{section.heading.slug}",
        page=title,
        title=section.heading.title or title,
        text=section.text,
        weight=weight,
    )


def _hit(place: SearchedSection, words: Sequence[str]) -> str:
    page = "" if place.page == place.title else f" · {escape(place.page)}"
    return (
        f'<a href="{escape(place.address)}"><strong>{escape(place.title)}</strong>{page}'
        f"<small>{escape(excerpt(place, words))}</small></a>"
    )
