"""What a command prints: a document for programs, or something drawn for people."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TextIO

from openwa_manager.cli.errors import UsageError
from openwa_manager.cli.terminal.colors import has_colors, painted
from openwa_manager.cli.terminal.texts import NOTHING, cell, size, text_width, wrapped
from openwa_manager.cli.terminal.times import moment
from openwa_manager.cli.terminal.window import terminal_size, window_width

if TYPE_CHECKING:
    from openwa_manager.cli.terminal.tables import Listing
    from openwa_manager.domain.delivery.events import Json

__all__ = ("FORMS", "NOTHING", "Output", "cell", "json_text", "megabytes", "moment", "record", "table")

TABLE, WIDE, JSON, IDS = FORMS = ("table", "wide", "json", "ids")
#: The variable that names the form when no option does.
FORM_VARIABLE: Final = "OPENWA_MANAGER_OUTPUT"
#: The ids of the API's records, in this order: what has one of the first is not named by a later one.
_ID_NAMES = ("id", "message_id", "event_id", "batch_id", "endpoint_id", "build_id", "session_id", "to", "version")


class Output:
    """Prints in one of four forms: a table (on a terminal), all its columns (`wide`), JSON (when piped), or ids."""

    def __init__(self, stream: TextIO, form: str | None, environ: Mapping[str, str]) -> None:
        """Print to a stream; raises UsageError when the environment names a form that there is not."""
        self._stream = stream
        self.is_terminal = stream.isatty()
        self.form = form or _form_of(environ) or (TABLE if self.is_terminal else JSON)
        self.has_colors = self.is_terminal and has_colors(environ)
        self._columns_given = environ.get("COLUMNS", "")

    @property
    def is_for_people(self) -> bool:
        """Tell whether people read it, as far as is known."""
        return self.form in (TABLE, WIDE)

    @property
    def width(self) -> int | None:
        """Return how many columns there are; None: a line may be as long as it is."""
        if self.is_terminal:
            return terminal_size().columns
        return int(self._columns_given) if self._columns_given.isdigit() and int(self._columns_given) else None

    def show(self, document: "Json", draw: Callable[[], str]) -> None:
        """Print `document` as one JSON document, or for people what `draw` returns."""
        if self.is_for_people:
            self.write(draw())
        else:
            self._write_document(document)

    def show_list(self, document: "Json", draw: "Callable[[], Listing]") -> None:
        """Print `document` as one JSON document, or for people a table that fits the window."""
        if not self.is_for_people:
            self._write_document(document)
            return
        self.write(self.listing(draw()))

    def listing(self, rows: "Listing") -> str:
        """Return a table that fits the window."""
        from openwa_manager.cli.terminal.tables import draw_listing

        return draw_listing(rows, width=self.width, is_wide=self.form == WIDE, paints=self.has_colors)

    def paint(self, status: str) -> str:
        """Return a status in its color, where there are colors."""
        return painted(cell(status)) if self.has_colors else cell(status)

    def write(self, text: str) -> None:
        """Print a line, or several, at once."""
        print(text, file=self._stream, flush=True)

    def write_part(self, text: str) -> None:
        """Print a part of a text, at once."""
        print(text, end="", file=self._stream, flush=True)

    def _write_document(self, document: "Json") -> None:
        if self.form == JSON:
            self.write(json_text(document, self._stream))
            return
        for each in _ids_in(document):
            self.write(cell(each))


def _form_of(environ: Mapping[str, str]) -> str | None:
    form = environ.get(FORM_VARIABLE) or None
    if form is not None and form not in FORMS:
        raise UsageError(f"{FORM_VARIABLE}={cell(form)} is none of {', '.join(FORMS)}")
    return form


def _ids_in(document: "Json") -> Iterable[str]:
    """Yield the id of a record, or of each record of a list.

    Raises:
        UsageError: there is none.
    """
    if isinstance(document, dict):
        if (own := _id_of(document)) is not None:
            yield own
            return
        lists = [each for each in document.values() if isinstance(each, list)]
        if len(lists) == 1:
            yield from (own for each in lists[0] if (own := _id_of(each)) is not None)
            return
    raise UsageError("this has no ids: -o table or -o json shows it")


def _id_of(each: "Json") -> str | None:
    if isinstance(each, str):
        return each
    if not isinstance(each, dict):
        return None
    return next((str(each[name]) for name in _ID_NAMES if each.get(name)), None)


def json_text(document: "Json", stream: TextIO) -> str:
    """Return a document as JSON that is whole on this stream: where it is not UTF-8, all but ASCII is escaped."""
    is_utf8 = (stream.encoding or "").lower().replace("-", "") in ("utf8", "utf8sig")
    return json.dumps(document, indent=2 if stream.isatty() else None, ensure_ascii=not is_utf8)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return aligned columns under their names, as wide as they are; lists of records go through `show_list`."""
    lines = [list(columns), *([cell(value) for value in row] for row in rows)]
    widths = [max(map(text_width, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(map(_padded, line, widths)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - text_width(text))


def record(facts: Mapping[str, object]) -> str:
    """Return one fact a line, the names aligned; on a terminal long ones go on below where they began."""
    name_width = max(map(len, facts), default=0)
    width, indent = window_width(sys.stdout), " " * (name_width + 2)
    lines = (f"{name.ljust(name_width)}  {_fact(name, value)}".rstrip() for name, value in facts.items())
    return "\n".join(wrapped(line, width, indent) for line in lines)


def _fact(name: str, value: object) -> str:
    """Return a fact of the API as people read it: times are told local, sizes short."""
    match value:
        case Mapping():
            return ", ".join(f"{key}={_fact(str(key), each)}" for key, each in value.items()) or NOTHING
        case str() if name.endswith("_at"):
            return cell(moment(value))
        case int() if name.endswith("_bytes") and not isinstance(value, bool):
            return size(value)
        case _:
            return cell(value)


def megabytes(size_bytes: int | None) -> str | None:
    """Return a size in whole megabytes; None stays None."""
    return None if size_bytes is None else f"{size_bytes / 1_000_000:.0f} MB"
