"""Reads the pages as a browser does: their links, the places that links may lead to, and what would be a program."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser

from tests.api.world import World


@dataclass
class Read:
    """What a page has."""

    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    programs: list[str] = field(default_factory=list)
    levels: list[int] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.read = Read()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if (identity := given.get("id")) is not None:
            self.read.ids.append(identity)
        if tag == "a":
            self.read.links.append(given.get("href") or "")
        self.read.sources += [given[name] or "" for name in ("src", "srcset", "action") if name in given]
        if tag == "link":
            self.read.sources.append(given.get("href") or "")
        if tag in ("style", "iframe", "object", "embed", "base") or (tag == "script" and "src" not in given):
            self.read.programs.append(tag)
        self.read.programs += [name for name in given if name == "style" or name.startswith("on")]
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self.read.levels.append(int(tag[1]))


def read(html: str) -> Read:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.read


@dataclass(frozen=True)
class Got:
    """An answer to somebody without a key."""

    status: int
    headers: Mapping[str, str]
    text: str


async def visit(world: World, path: str, method: str = "GET", **headers: str) -> Got:
    """Ask as a browser without a key does."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    async with world.client.request(method, path, headers=given, allow_redirects=False) as answer:
        return Got(answer.status, answer.headers, (await answer.read()).decode())
