"""Lists of whom nobody writes to, as CSV: what a spreadsheet writes is read, and it runs nothing of what we write.

A cell that begins like a formula is written behind an apostrophe, which a spreadsheet takes for "this is text"; one
that is read in front of such a cell is taken off again.
"""

import csv
import io
from collections.abc import Iterator, Sequence

from openwa_manager.api.errors import BadRequestError
from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.times import iso8601
from openwa_manager.domain.values import dataclass
from openwa_manager.store.messaging.people.suppressions import Suppression

FILE_MAX_BYTES = 8 << 20
ROWS_MAX = 100_000
HEADER = ("to", "reason", "created_at")

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
#: What people call the column with the number.
_NUMBER_NAMES = frozenset({"to", "number", "phone", "phone_number", "chat_id", "recipient", "mobile"})
_CELL_MAX_CHARS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionRow:
    """One line of a file: its number in it, who, and why ("": not said)."""

    line: int
    to: str
    reason: str


def written(rows: Sequence[Suppression]) -> bytes:
    """Return names as lines of a file; those of which only a hash is left have none."""
    lines = [(row.name, row.reason, iso8601(row.created_at)) for row in rows if row.name is not None]
    return _lines(lines)


def header() -> bytes:
    """Return the first line of a file."""
    return _lines([HEADER])


def read_rows(body: bytes) -> Iterator[SuppressionRow]:
    """Yield the lines of a file; a header is passed over, and empty lines.

    Raises:
        BadRequestError: it is no CSV in UTF-8.
        InvalidInputError: it has too many lines.
    """
    text = _text(body)
    columns: dict[str, int] | None = None
    try:
        for count, cells in enumerate(reader := csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))):
            if count > ROWS_MAX:
                raise InvalidInputError("body", f"has more than {ROWS_MAX} lines")
            if columns is None:
                columns = _columns(cells)
                if columns is not None:
                    continue
                columns = {"to": 0, "reason": 1}
            to, reason = (_cell(cells, columns[name]) for name in ("to", "reason"))
            if to or reason:
                yield SuppressionRow(line=reader.line_num, to=to, reason=reason)
    except csv.Error as error:
        raise BadRequestError(f"the body is no CSV: {error}") from error


def _text(body: bytes) -> str:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequestError("the body is no text in UTF-8: save it as CSV UTF-8") from error
    if "\0" in text:
        raise BadRequestError("the body is no text: there are zeros in it")
    return text


def _delimiter(text: str) -> str:
    """Return what parts the cells: where a comma is decimal, spreadsheets write semicolons."""
    first = text[:_CELL_MAX_CHARS].partition("\n")[0]
    return max(",;\t", key=first.count)


def _columns(cells: Sequence[str]) -> dict[str, int] | None:
    """Return which columns a header names; None when the first line is none."""
    names = [cell.strip().lower() for cell in cells]
    number = next((index for index, name in enumerate(names) if name in _NUMBER_NAMES), None)
    if number is None:
        return None
    return {"to": number, "reason": names.index("reason") if "reason" in names else len(names)}


def _cell(cells: Sequence[str], index: int) -> str:
    cell = cells[index].strip() if index < len(cells) else ""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([[_safe(cell) for cell in row] for row in rows])
    return file.getvalue().encode("utf-8", "replace")


def _safe(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
