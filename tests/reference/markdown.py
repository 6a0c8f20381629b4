"""Writes Markdown that is read on GitHub and, through `openwa-manager help`, in a terminal."""

import re
from collections.abc import Iterable, Sequence


def page(title: str, *parts: str) -> str:
    """Return a page of these parts; whoever changes it by hand is told where it comes from."""
    return "\n\n".join((f"# {title}", *parts, _MADE)) + "\n"


_MADE = "<!-- Made by `make docs` from the code. -->"


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


#: What is typed as it stands.
_PROGRAMS = ("sudo ", "->")


def sentence(text: str) -> str:
    """Return words as a sentence: a capital letter at its beginning unless that is code, a full stop at its end."""
    text = " ".join(text.split())
    first = text if text.startswith(_PROGRAMS) else text[:1].upper() + text[1:]
    return first + ("" if text.endswith((".", ":", "?", "!")) else ".")


#: A command within words, as far as it goes.
_COMMAND = re.compile(
    r"openwa-manager [a-z-]+(?: (?:resume|test|settle))?(?: [A-Z][A-Z_]+)*"
    r"(?: --[a-z-]+(?: (?:\d+|[A-Z]\b|[a-z]+\|[a-z]+|(?:careful|guide|failed)\b))?)*"
)


def with_code(text: str) -> str:
    """Return words with commands and names of settings as code; what is code already stays so."""
    return "`".join(part if index % 2 else _marked(part) for index, part in enumerate(text.split("`")))


def _marked(text: str) -> str:
    text = _COMMAND.sub(lambda found: code(found[0]), text)
    return "`".join(
        part if index % 2 else re.sub(r"(?<![\w/])[a-z]+(?:_[a-z]+)+(?![\w(])", lambda found: code(found[0]), part)
        for index, part in enumerate(text.split("`"))
    )
