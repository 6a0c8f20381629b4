"""Values as people read them, one line each; control characters cannot steer the terminal."""

import unicodedata
from collections.abc import Mapping

from openwa_manager.domain.printable import printable

NOTHING = "-"
CUT = "…"
_PREFIXES = "KMGTP"


def cell(value: object) -> str:
    """Return a value as people read it; control characters cannot steer the terminal."""
    match value:
        case None | "":
            return NOTHING
        case bool():
            return "yes" if value else "no"
        case Mapping():
            return ", ".join(f"{name}={cell(each)}" for name, each in value.items()) or NOTHING
        case list() | tuple():
            return ", ".join(map(cell, value)) or NOTHING
        case _:
            return printable(str(value))


def size(count_bytes: int | None) -> str:
    """Return a size with K, M or G (thousands); None: nothing is known."""
    if count_bytes is None:
        return NOTHING
    value, prefix = float(count_bytes), ""
    for prefix in ("", *_PREFIXES):  # noqa: B007 - the last one is used below
        if abs(value) < 999.5:
            break
        value /= 1000
    return f"{value:.1f}{prefix}" if prefix and abs(value) < 9.95 else f"{value:.0f}{prefix}"


def wrapped(text: str, width: int | None, indent: str = "") -> str:
    """Return a text in lines of at most `width` places (None: as it is), broken between words where that is possible.

    All lines but the first begin with `indent`.
    """
    if width is None or (text_width(text) <= width and "\n" not in text):
        return text
    import textwrap

    lines = [
        textwrap.wrap(line, max(width, 20), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
        for line in text.split("\n")
    ]
    return "\n".join("\n".join(line) for line in lines)


def text_width(text: str) -> int:
    """Return how many places of a terminal a text takes: letters of East Asia take two, marks on letters none."""
    if text.isascii():
        return len(text)
    return sum(_places(letter) for letter in text)


def _places(letter: str) -> int:
    if unicodedata.combining(letter) or letter in "\u200b\u200c\u200d\ufe0e\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def shortened(text: str, width: int, *, in_middle: bool = False) -> str:
    """Return a text that takes at most `width` places; an ellipsis is where something was cut out."""
    if text_width(text) <= width:
        return text
    tail_width = (width - 1) // 2 if in_middle else 0
    tail = _front(text[::-1], tail_width)[::-1] if in_middle else ""
    return f"{_front(text, width - 1 - tail_width)}{CUT}{tail}" if width > 0 else ""


def _front(text: str, width: int) -> str:
    taken = 0
    for place, letter in enumerate(text):
        taken += _places(letter)
        if taken > width:
            return text[:place]
    return text
