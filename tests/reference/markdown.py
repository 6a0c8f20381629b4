"""Writes Markdown that is read on GitHub and, through `openwa-manager help`, in a terminal."""

from collections.abc import Iterable, Sequence


def page(title: str, *parts: str) -> str:
    """Return a page of these parts; whoever changes it by hand is told where it comes from."""
    return "\n\n".join((f"# {title}", *parts, _MADE)) + "\n"


_MADE = "<!-- Written by `make docs` from the code: change it there. -->"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a cell may hold anything but line breaks."""
    lines = [list(head), ["---"] * len(head), *(list(row) for row in rows)]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(text: object) -> str:
    """Return a word of code."""
    return f"`{text}`"


def chapter(title: str, *parts: str) -> str:
    """Return a chapter of a page."""
    return "\n\n".join((f"## {title}", *parts))


def sentence(text: str) -> str:
    """Return words as a sentence: a capital letter at its beginning, a full stop at its end."""
    text = " ".join(text.split())
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", ":", "?", "!")) else ".")
