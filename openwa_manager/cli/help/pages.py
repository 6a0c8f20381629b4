"""The pages of `openwa_manager/docs` as text for a terminal."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from openwa_manager.cli.terminal.texts import text_width

_DOCS = Path(__file__).parents[2] / "docs"
_WIDTH_MAX = 100
_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
_STRONG = re.compile(r"\*\*([^*]+)\*\*|(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])")
_LIST_ITEM = re.compile(r"(\s*)([-*]|\d+\.)\s+")
_FENCE = "```"


def topics() -> Mapping[str, Path]:
    """Return the pages by their names."""
    return {str(path.relative_to(_DOCS).with_suffix("")): path for path in sorted(_DOCS.rglob("*.md"))}


def summary() -> str:
    """Return each page with its title, a line each."""
    return "\n".join(f"    {name.ljust(14)}  {_title(path)}" for name, path in topics().items())


def page_text(name: str, width: int | None) -> str:
    """Return a page, its prose wrapped to the window (None: 100 columns); code stays as it is."""
    lines = topics()[name].read_text("utf-8").splitlines()
    return "\n".join(_drawn(lines, min(width or _WIDTH_MAX, _WIDTH_MAX)))


def _title(path: Path) -> str:
    with path.open(encoding="utf-8") as page:
        return page.readline().lstrip("# ").strip()


def _drawn(lines: list[str], width: int) -> Iterator[str]:
    block: list[str] = []
    is_code = False
    for line in [*lines, ""]:
        if line.strip().startswith(_FENCE):
            yield from _wrapped(block, width)
            block, is_code = [], not is_code
        elif is_code:
            yield f"    {line}".rstrip()
        elif line.startswith(("#", "|")) or not line.strip() or _LIST_ITEM.match(line):
            yield from _wrapped(block, width)
            block = [line] if _LIST_ITEM.match(line) else []
            yield from _alone(line, width)
        else:
            block.append(line)


def _alone(line: str, width: int) -> Iterator[str]:
    """Yield a line that is no part of a paragraph: a heading, a row of a table, or an empty one."""
    if line.startswith("#"):
        title = _plain(line.lstrip("# "))
        yield from (title, ("=" if line.startswith("# ") else "-") * text_width(title))
    elif line.startswith("|"):
        yield from _row(line, width)
    elif not line.strip():
        yield ""


def _row(line: str, width: int) -> Iterator[str]:
    """Yield a row of a table: its first cell, and below it the others."""
    cells = [_plain(each.strip()) for each in line.strip().strip("|").replace("\\|", "\0").split("|")]
    cells = [each.replace("\0", "|") for each in cells]
    if all(re.fullmatch(r":?-*:?", each) for each in cells):
        return
    first, *others = cells
    yield from _filled(first, width, "  ")
    for each in filter(None, others):
        yield from _filled(each, width, "      ")


def _wrapped(block: list[str], width: int) -> Iterator[str]:
    if not block:
        return
    item = _LIST_ITEM.match(block[0])
    text = _plain(" ".join(line.strip() for line in block))
    indent = " " * (len(item[1]) + len(item[2]) + 1) if item else ""
    yield from _filled(text, width, item[1] if item else "", indent)


def _filled(text: str, width: int, first: str, other: str | None = None) -> list[str]:
    import textwrap

    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=first if other is None else other,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _plain(text: str) -> str:
    """Return a line of Markdown as people write without it; a link to elsewhere keeps its address."""
    text = _LINK.sub(lambda found: f"{found[1]} ({found[2]})" if "://" in found[2] else found[1], text)
    return _STRONG.sub(lambda found: found[1] or found[2], text)
