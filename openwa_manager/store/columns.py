"""How values become columns and come back: JSON, text any encoder accepts, rows by name."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from openwa_manager.domain import foreign_json
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import UnreadableJsonError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Column = str | int | float | bytes | None
Row = Mapping[str, Column]

#: Made once: `json.dumps` with such options makes one for each call.
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def text(value: str) -> str:
    """Return text SQLite accepts: half an emoji from an engine (a lone surrogate) becomes `?`."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def to_json(value: Json) -> str:
    """Return compact JSON, with lone surrogates replaced as in `text`."""
    return text(_COMPACT.encode(value))


def members(value: "DataclassInstance") -> dict[str, Json]:
    """Return the fields of a value of the domain by name, as they are, none of them a dataclass.

    `asdict` copies all that is in them: that was a quarter of what it takes to record a session.
    """
    return {name: getattr(value, name) for name in _names_of(type(value))}


@cache
def _names_of(kind: "type[DataclassInstance]") -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))


def json_object(stored: str) -> dict[str, Json]:
    """Return the object in a JSON column; of one that nobody can read, as versions before 0.3 took them, why not."""
    try:
        value = foreign_json.parse(stored, max_values=None)  # what was taken once is told
    except UnreadableJsonError as error:
        return {"unreadable": str(error)}
    return value if isinstance(value, dict) else {"unreadable": "it is no object"}


@lru_cache(maxsize=1024)  # read for every event that is stored
def json_texts(stored: str) -> tuple[str, ...]:
    """Return the strings of an array in a JSON column."""
    value = foreign_json.parse(stored)
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


#: How much the rows that are read in one go may hold together: whoever wants more reads again behind them.
SLICE_MAX_BYTES = 64 << 10


def within(
    rows: Iterable[sqlite3.Row], size_of: Callable[[sqlite3.Row], int], max_bytes: int = SLICE_MAX_BYTES
) -> tuple[list[sqlite3.Row], bool]:
    """Return the first rows that fit, at least one, and whether there are others; those are not read."""
    fitting: list[sqlite3.Row] = []
    for row in rows:
        max_bytes -= size_of(row)
        if max_bytes < 0 and fitting:
            return fitting, True
        fitting.append(row)
    return fitting, False


def query(connection: sqlite3.Connection, sql: str, parameters: Sequence[Column] | Row = ()) -> sqlite3.Cursor:
    """Run a query whose rows are addressed by column name."""
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    return cursor.execute(sql, parameters)


def upsert(table: str, columns: Sequence[str], zeros: Sequence[str] = ()) -> str:
    """Return the SQL that writes these columns of a row; a new one has `zeros` too, which are others' to change."""
    values = ", ".join([*(f":{column}" for column in columns), *("0" for _ in zeros)])
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns[1:])
    return (
        f"INSERT INTO {table} ({', '.join([*columns, *zeros])}) VALUES ({values}) "  # noqa: S608 (names from above)
        f"ON CONFLICT ({columns[0]}) DO UPDATE SET {changes}"
    )
