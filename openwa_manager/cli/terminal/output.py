"""What a command prints: a document for programs, or something drawn for people."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from openwa_manager.domain.printable import printable

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

NOTHING = "-"


class Output:
    """Prints for people on a terminal, JSON when piped or asked to."""

    def __init__(self, stream: TextIO, *, as_json: bool) -> None:
        self._stream = stream
        self.is_for_people = stream.isatty() and not as_json

    def show(self, document: "Json", draw: Callable[[], str]) -> None:
        """Print `document` as one JSON document, or for people what `draw` returns."""
        if self.is_for_people:
            self.write(draw())
        else:
            self.write(json_text(document, self._stream))

    def write(self, text: str) -> None:
        """Print a line, or several, at once."""
        print(text, file=self._stream, flush=True)

    def write_part(self, text: str) -> None:
        """Print a part of a text, at once."""
        print(text, end="", file=self._stream, flush=True)


def json_text(document: "Json", stream: TextIO) -> str:
    """Return a document as JSON that is whole on this stream: where it is not UTF-8, all but ASCII is escaped."""
    is_utf8 = (stream.encoding or "").lower().replace("-", "") in ("utf8", "utf8sig")
    return json.dumps(document, indent=2 if stream.isatty() else None, ensure_ascii=not is_utf8)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return aligned columns under their names."""
    lines = [list(columns), *([cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(map(str.ljust, line, widths)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


def record(facts: Mapping[str, object]) -> str:
    """Return one fact a line, the names aligned."""
    width = max(map(len, facts), default=0)
    return "\n".join(f"{name.ljust(width)}  {cell(value)}".rstrip() for name, value in facts.items())


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


def megabytes(size_bytes: int | None) -> str | None:
    """Return a size in whole megabytes; None stays None."""
    return None if size_bytes is None else f"{size_bytes / 1_000_000:.0f} MB"


def moment(at: str | None) -> str | None:
    """Return a time of the API, to the second; None stays None."""
    return None if at is None else at[:19].replace("T", " ")
