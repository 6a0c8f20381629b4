"""Which pages `openwa_manager/docs` has, and in which order a newcomer reads them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from openwa_manager.domain.values import dataclass

DOCS: Final = Path(__file__).parents[2] / "docs"

#: The parts and their pages, in the order in which a newcomer needs them. What stands in none of them comes last.
PARTS: Final[Mapping[str, Sequence[str]]] = {
    "First steps": ("install", "backend", "laravel", "guide"),
    "Messages and phones": ("sending", "linking"),
    "Running it": ("remote", "operations", "trouble"),
    "Tests and clients": ("mock", "gateway"),
    "More": ("builds", "metrics", "move-in", "faq"),
    "Reference": (
        *("reference/settings", "reference/api", "reference/events", "reference/reasons", "reference/findings"),
        *("reference/metrics", "reference/cli"),
    ),
    "How it is made": ("security", "design", "performance", "openwa"),
}
OTHERS: Final = "Others"
#: Where a sentence ends: what follows begins another.
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9`*\[])")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageEntry:
    """A page: its name (`reference/settings`), its title, the first sentence as Markdown, and its file."""

    name: str
    title: str
    lead: str
    path: Path


def entries() -> Mapping[str, PageEntry]:
    """Return all pages by their names, in the order in which they are read."""
    return {each.name: each for part in parts().values() for each in part}


def parts() -> Mapping[str, Sequence[PageEntry]]:
    """Return the parts that have pages, each with its pages."""
    paths = {path.relative_to(DOCS).with_suffix("").as_posix(): path for path in sorted(DOCS.rglob("*.md"))}
    listed = {name for names in PARTS.values() for name in names}
    wanted = {**PARTS, OTHERS: tuple(name for name in paths if name not in listed)}
    found = {part: tuple(name for name in names if name in paths) for part, names in wanted.items()}
    return {part: tuple(_entry(name, paths[name]) for name in names) for part, names in found.items() if names}


def _entry(name: str, path: Path) -> PageEntry:
    with path.open(encoding="utf-8") as page:
        title = page.readline().lstrip("# ").replace("`", "").strip()
        lead = " ".join(_first_paragraph(page))
    return PageEntry(name=name, title=title, lead=_SENTENCE_END.split(lead, maxsplit=1)[0], path=path)


def _first_paragraph(lines: Iterator[str]) -> Iterator[str]:
    """Yield the lines of the paragraph behind the title."""
    has_begun = False
    for line in map(str.strip, lines):
        if line and not line.startswith("<!--"):
            has_begun = True
            yield line
        elif has_begun:
            return
