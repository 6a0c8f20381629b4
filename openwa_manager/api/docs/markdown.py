"""Reads Markdown as GitHub does (CommonMark and tables), and draws it as HTML; HTML inside it is shown as text."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from html import escape
from pathlib import PurePosixPath
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from openwa_manager.domain.values import dataclass

ADDRESS: Final = "/docs"
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
_COMMENT: Final = re.compile(r"<!--.*-->\s*")
#: The first line of a block that no test of ours runs, and why.
_NOT_RUN: Final = re.compile(r"(?:#|//) *not run here: *(.+)\n?")
_NO_PAGES: Final[Mapping[str, str]] = {}
_OUTSIDE: Final = re.compile(r"(?:https?|mailto):", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading, and what a link to it ends with."""

    level: int
    title: str
    slug: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What stands under a heading, as text; before the second heading that is the page's beginning."""

    heading: Heading
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A page as HTML, and its sections as text."""

    html: str
    sections: Sequence[Section]


def tokens_of(source: str) -> list[Token]:
    """Return what Markdown consists of; comments that fill a line are left out."""
    return _parser().parse("\n".join(_without_comments(source.splitlines())))


def draw(source: str, name: str, pages: Mapping[str, str]) -> Drawn:
    """Return a page as HTML; `name` is its own, `pages` are the titles of those that links may lead to."""
    tokens = tokens_of(source)
    sections = tuple(_sections(tokens))
    _link(tokens, name, pages)
    parser = _parser()
    html: str = parser.renderer.render(list(_framed(tokens, sections)), parser.options, {})
    return Drawn(html=html, sections=sections)


def draw_line(source: str, pages: Mapping[str, str] = _NO_PAGES, name: str = "") -> str:
    """Return a few words of Markdown as HTML without a paragraph around it."""
    parser = _parser()
    tokens = parser.parseInline(source)
    _link(tokens, name, pages)
    html: str = parser.renderer.render(tokens, parser.options, {})
    return html


def plain(inline: Token, shown: Callable[[str, str], str] = lambda text, _: text) -> str:
    """Return a line as text; `shown` says how a link is written, by its words and its address."""
    return "".join(_plain_parts(inline.children or (), shown))


def slug_of(title: str, taken: Collection[str] = ()) -> str:
    """Return what a link to a heading ends with, as GitHub spells it; of the same words there may be several."""
    slug = re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
    return next(each for each in (slug, *(f"{slug}-{number}" for number in range(1, 1000))) if each not in taken)


def page_of(link: str, name: str) -> tuple[str, str]:
    """Return the name of the page that a relative link leads to, and the heading there, if it names one."""
    place, _, heading = link.partition("#")
    if not place:
        return name, heading
    parts: list[str] = []
    for part in (PurePosixPath(name).parent / place).parts:
        if part == "..":
            parts = parts[:-1]
        else:
            parts.append(part)
    return "/".join(parts).removesuffix(".md"), heading


def code_of(content: str) -> tuple[str, str | None]:
    """Return a block of code without its mark, and why no test runs it; None: it has no mark."""
    if (found := _NOT_RUN.match(content)) is None:
        return content, None
    return content[found.end() :], found[1].strip()


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.add_render_rule("fence", _fence)
    return parser


def _without_comments(lines: Iterable[str]) -> Iterator[str]:
    fence = ""
    for line in lines:
        found = _FENCE.match(line)
        if found and not fence:
            fence = found[1]
        elif found and found[1].startswith(fence) and not line.strip().strip(fence[0]):
            fence = ""
        yield "" if not fence and _COMMENT.fullmatch(line) else line


def _plain_parts(children: Iterable[Token], shown: Callable[[str, str], str]) -> Iterator[str]:
    address, words = "", ""
    for child in children:
        if child.type == "link_open":
            address, words = str(child.attrGet("href")), ""
        elif child.type == "link_close":
            text, address = shown(words, address), ""
            yield text
        elif address:
            words += _plain_part(child)
        else:
            yield _plain_part(child)


def _plain_part(child: Token) -> str:
    return " " if child.type in ("softbreak", "hardbreak") else child.content


def _sections(tokens: Sequence[Token]) -> Iterator[Section]:
    """Yield the sections; each heading gets its id."""
    taken: set[str] = set()
    heading, words = Heading(level=1, title="", slug=""), list[str]()
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            if heading.title:
                yield Section(heading=heading, text=" ".join(words))
            title = plain(tokens[place + 1])
            heading = Heading(level=int(token.tag[1:]), title=title, slug=slug_of(title, taken))
            words = []
            taken.add(heading.slug)
            token.attrSet("id", heading.slug)
        elif token.type in ("fence", "code_block"):
            words += code_of(token.content)[0].split()
        elif token.type == "inline" and tokens[place - 1].type != "heading_open":
            words += plain(token).split()
    yield Section(heading=heading, text=" ".join(words))


def _link(tokens: Iterable[Token], name: str, pages: Mapping[str, str]) -> None:
    """Make links lead to where the pages are served; what leads elsewhere on this host becomes text, as do images."""
    for token in tokens:
        is_kept = True
        children = token.children or []
        for place, child in enumerate(children):
            if child.type == "image":
                child.type, child.children = "text", None
            elif child.type == "link_open":
                is_kept = _lead(child, children[place + 1], name, pages)
            elif child.type == "link_close" and not is_kept:
                child.type, is_kept = "text", True


def _lead(link: Token, words: Token, name: str, pages: Mapping[str, str]) -> bool:
    """Set where a link leads, and call a page by its title, not its file; False: nowhere, it is text from now on."""
    href = str(link.attrGet("href"))
    if _OUTSIDE.match(href):
        link.attrSet("rel", "noreferrer noopener")
        return True
    page, heading = page_of(href, name)
    if page not in pages:
        link.type = "text"
        return False
    link.attrSet("href", f"{ADDRESS}/{page}" + (f"#{heading}" if heading else ""))
    if words.content.endswith(".md"):
        words.content = pages[page]
    return True


def _framed(tokens: Iterable[Token], sections: Iterable[Section]) -> Iterator[Token]:
    """Yield the tokens, tables in a box that scrolls by itself, and headings with a link to themselves."""
    headings = (section.heading for section in sections)
    for token in tokens:
        if token.type == "table_open":
            yield _raw('<div class="table">')
        elif token.type == "heading_open":
            yield _raw('<div class="heading">')
        yield token
        if token.type == "table_close":
            yield _raw("</div>\n")
        elif token.type == "heading_close":
            yield _raw(f"{anchor(next(headings))}</div>\n")


def anchor(heading: Heading) -> str:
    """Return the link that stands beside a heading and leads to it."""
    return f'<a class="anchor" href="#{escape(heading.slug)}" aria-label="Link to: {escape(heading.title)}">#</a>'


def code_block(content: str, language: str, note: str | None = None) -> str:
    """Return a block of code in its box; `note` says why no test of ours runs it."""
    above = "" if note is None else f'<p class="note">Not run by our tests: {escape(note)}</p>'
    label = f' data-language="{escape(language)}"' if language else ""
    return f'{above}<div class="code"{label}><pre><code>{escape(content, quote=False)}</code></pre></div>\n'


def _raw(html: str) -> Token:
    return Token("html_block", "", 0, content=html)


def _fence(_: object, tokens: Sequence[Token], place: int, *__: object) -> str:
    token = tokens[place]
    content, note = code_of(token.content)
    return code_block(content, token.info.partition(" ")[0], note)
