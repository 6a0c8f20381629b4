"""Reads the recipients of a batch from a CSV file, as spreadsheets write it.

The first line names the columns. The recipients are in the column `to`, or in the first one; a column `reference` is
the caller's own name for each message; all others are variables. A spreadsheet writes commas, semicolons or tabs
between cells, by its language, and a mark for the encoding before them all; it shortens long numbers unless their
column is text.
Nothing is sent unless the whole file can be read.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from openwa_manager.cli.errors import CommandFailedError

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

#: What one call of the API takes.
ROWS_MAX = 10_000
FILE_MAX_BYTES = 16_000_000
_TO, _REFERENCE = "to", "reference"
_SEPARATORS = ",;\t"
#: What spreadsheets make of 85212345678 in a narrow column.
_SHORTENED = re.compile(r"\d(?:[.,]\d+)?E\+?\d+", re.IGNORECASE)
#: What the API takes as a reference.
_REFERENCE_FORM = re.compile(r"[^\x00-\x1f\x7f]{0,128}")
_LIKE_RECIPIENT = re.compile(r"\+?[\d .()-]{7,}|.+@.+")
_FAULTS_SHOWN = 10
_TOLD_BY_MARK = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class RecipientRow(NamedTuple):
    """One recipient: the line of the file where he begins (from 1), and his cells by column."""

    line: int
    to: str
    reference: str | None
    cells: dict[str, str]


class Recipients(NamedTuple):
    """All recipients of a file, and the names of its columns."""

    columns: Sequence[str]
    rows: Sequence[RecipientRow]


class _Line(NamedTuple):
    number: int
    cells: list[str]


class _Places(NamedTuple):
    """In which columns the recipients and their references are."""

    to: int
    reference: int | None


def read_recipients(raw: bytes, name: str) -> Recipients:
    """Return the recipients of a file; `name` is what the file is called in complaints.

    Raises:
        CommandFailedError: it is no such file; the message names the lines.
    """
    lines = list(_lines(_decoded(raw, name), name))
    if not lines:
        raise CommandFailedError(f"{name} is empty: its first line names the columns, as in to,name")
    columns = _columns(lines[0], name)
    places = _Places(_index_of(_TO, columns) or 0, _index_of(_REFERENCE, columns))
    if len(lines) - 1 > ROWS_MAX:
        raise CommandFailedError(
            f"{name}, line {lines[ROWS_MAX + 1].number}: a batch has at most {ROWS_MAX:,} recipients, and here are "
            f"{len(lines) - 1:,}; split the file"
        )
    _refuse_any(_faults(lines[1:], columns, places), name)
    rows = [_row(line, columns, places) for line in lines[1:]]
    if not rows:
        raise CommandFailedError(f"{name} names columns, but no recipients")
    return Recipients(columns, rows)


def recipients_body(found: Recipients, wanted: Iterable[str], *, keeps_empty: bool) -> "list[Json]":
    """Return the recipients as the API takes them, with the columns that are wanted as variables.

    An empty cell is a variable that is missing, so that the daemon rejects that recipient, unless `keeps_empty`.
    """
    names = frozenset(wanted)
    return [
        {
            "to": row.to,
            "variables": {
                column: cell for column, cell in row.cells.items() if column in names and (cell or keeps_empty)
            },
            **({"reference": row.reference} if row.reference else {}),
        }
        for row in found.rows
    ]


def _decoded(raw: bytes, name: str) -> str:
    encoding = next((encoding for mark, encoding in _TOLD_BY_MARK if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise _no_text(name, raw.count(b"\n", 0, error.start) + 1) from error
    if "\0" in text:
        raise _no_text(name, text.count("\n", 0, text.index("\0")) + 1)
    return text


def _no_text(name: str, line: int) -> CommandFailedError:
    return CommandFailedError(
        f"{name}, line {line}: this is not UTF-8; in Excel save the file as “CSV UTF-8 (comma delimited)”"
    )


def _lines(text: str, name: str) -> Iterator[_Line]:
    """Yield the lines that are not empty; one with line ends in its cells is one, numbered by where it begins."""
    first = text.partition("\n")[0].rstrip("\r")
    is_told = first[:4].lower() == "sep=" and len(first) == 5  # a line by which Excel knows
    separator = first[4] if is_told else max(_SEPARATORS, key=_without_quoted(first).count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)
    number = 1
    try:
        for cells in rows:
            stripped = [cell.strip() for cell in cells]
            if any(stripped) and not (is_told and number == 1):
                yield _Line(number, stripped)
            number = rows.line_num + 1
    except csv.Error as error:
        raise CommandFailedError(f"{name}, line {number}: this is no CSV: {error}") from error


def _without_quoted(line: str) -> str:
    return re.sub(r'"[^"]*"?', "", line)


def _columns(line: _Line, name: str) -> Sequence[str]:
    columns = list(line.cells)
    while columns and not columns[-1]:  # spreadsheets keep columns that were emptied
        columns.pop()
    if _LIKE_RECIPIENT.fullmatch(columns[0]) or _SHORTENED.fullmatch(columns[0]):
        raise CommandFailedError(f"{name}, line {line.number}: the first line names the columns, as in to,name")
    if "" in columns:
        raise CommandFailedError(f"{name}, line {line.number}: column {columns.index('') + 1} has no name")
    folded = [column.casefold() for column in columns]
    twice = next((column for index, column in enumerate(columns) if folded[index] in folded[:index]), None)
    if twice is not None:
        raise CommandFailedError(f"{name}, line {line.number}: two columns are called {twice}")
    return columns


def _index_of(wanted: str, columns: Sequence[str]) -> int | None:
    return next((index for index, column in enumerate(columns) if column.casefold() == wanted), None)


def _faults(lines: Sequence[_Line], columns: Sequence[str], places: _Places) -> Iterator[tuple[int, str]]:
    """Yield what is wrong, by line, that would not be noticed later, or be noticed as something else."""
    for line in lines:
        row = _row(line, columns, places)
        if any(line.cells[len(columns) :]):
            named = f"{len(line.cells)} cells, but {len(columns)} columns have a name"
            yield line.number, f"{named}; a cell with a separator in it must be quoted"
        elif not row.to:
            yield line.number, f"nobody to write to: column {columns[places.to]} is empty"
        elif _SHORTENED.fullmatch(row.to):
            yield line.number, f"{row.to} is a number that the spreadsheet shortened; make its column text"
        elif not _REFERENCE_FORM.fullmatch(row.reference or ""):
            yield line.number, "a reference has at most 128 characters, in one line"


def _refuse_any(faults: Iterator[tuple[int, str]], name: str) -> None:
    found = list(faults)
    if found:
        told = [f"{name}, line {number}: {fault}" for number, fault in found[:_FAULTS_SHOWN]]
        more = [f"and {len(found) - _FAULTS_SHOWN:,} lines more"] if len(found) > _FAULTS_SHOWN else []
        raise CommandFailedError("\n".join((*told, *more)))


def _row(line: _Line, columns: Sequence[str], places: _Places) -> RecipientRow:
    padded = [*line.cells, *[""] * (len(columns) - len(line.cells))]
    reference = None if places.reference is None else padded[places.reference]
    return RecipientRow(line.number, padded[places.to], reference or None, dict(zip(columns, padded, strict=False)))
