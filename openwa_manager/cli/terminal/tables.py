"""Tables that fit the window: ids are shortened in the middle, then the columns of least worth are left out.

A table never wraps. What of it is shown depends on the window's width alone, not on what stands in it: the order in
which columns go is fixed by their worth.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from openwa_manager.cli.terminal.colors import painted
from openwa_manager.cli.terminal.texts import cell, shortened, size, text_width, wrapped
from openwa_manager.cli.terminal.times import exact, short, zone

GAP = "  "
#: An id that is shortened keeps its beginning and its end, by which people know it.
_ID_LEAST = 20
_TEXT_LEAST = 12


class ColumnKind(Enum):
    """What stands in a column, and so how it is shown, aligned and shortened."""

    TEXT = "text"
    ID = "id"
    STATUS = "status"
    TIME = "time"
    SIZE = "size"
    COUNT = "count"
    CODE = "code"


class Column(NamedTuple):
    """A column; the one of least `worth` goes first when the window is narrow, one of `worth` 0 is for `wide` only."""

    name: str
    worth: int
    kind: ColumnKind = ColumnKind.TEXT


class Listing(NamedTuple):
    """Rows for people: a value for each column; `nothing` is said where there are none, `note` below the table."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[object]]
    nothing: str
    note: str = ""


def draw_listing(listing: Listing, *, width: int | None, is_wide: bool = False, paints: bool = False) -> str:
    """Return the table, at most `width` characters wide (None: as wide as it is); `is_wide`: every column, in full."""
    if not listing.rows:
        return wrapped(listing.nothing, width)
    all_lines = [_names(listing.columns), *(_shown(listing.columns, row, is_wide) for row in listing.rows)]
    natural = [max(map(text_width, column)) for column in zip(*all_lines, strict=True)]
    widths = _fitted(listing.columns, natural, width, is_wide=is_wide)
    lines = [
        _line(listing.columns, line, widths, painted if paints and number else None)
        for number, line in enumerate(all_lines)
    ]
    return "\n".join([*lines, *([listing.note] if listing.note else [])])


def _names(columns: Sequence[Column]) -> list[str]:
    return [f"{column.name} {zone()}" if column.kind is ColumnKind.TIME else column.name for column in columns]


def _shown(columns: Sequence[Column], row: Sequence[object], is_wide: bool) -> list[str]:
    return [_cell(column.kind, value, is_wide) for column, value in zip(columns, row, strict=True)]


def _cell(kind: ColumnKind, value: object, is_wide: bool) -> str:
    if kind is ColumnKind.TIME and isinstance(value, str):
        return cell(exact(value) if is_wide else short(value))
    if kind is ColumnKind.SIZE and isinstance(value, int):
        return size(value)
    if kind is ColumnKind.COUNT and isinstance(value, int):
        return f"{value:,}"
    return cell(value)


def _fitted(
    columns: Sequence[Column], natural: Sequence[int], width: int | None, *, is_wide: bool
) -> Mapping[int, int]:
    """Return how wide each column becomes that is shown, by its place."""
    if is_wide:
        return dict(enumerate(natural))
    shown = {place: natural[place] for place, column in enumerate(columns) if column.worth}
    if width is None or _total(shown) <= width:
        return shown
    least = {place: min(wanted, _least(columns[place])) for place, wanted in shown.items()}
    while _total(least) > width and len(least) > 1:
        del least[min(least, key=lambda place: columns[place].worth)]
    _share(width - _total(least), least, natural)
    return {place: min(each, width) for place, each in least.items()}


def _share(spare: int, widths: dict[int, int], natural: Sequence[int]) -> None:
    """Give what room is left to the columns that are narrower than they would be, each the same."""
    while spare > 0 and (narrow := [place for place, width in widths.items() if width < natural[place]]):
        for place in narrow[:spare]:
            widths[place] += 1
            spare -= 1


def _least(column: Column) -> int:
    """Return how far a column may be narrowed; what is neither an id nor prose is shown in full or not at all."""
    least = {ColumnKind.ID: _ID_LEAST, ColumnKind.TEXT: _TEXT_LEAST}.get(column.kind)
    return 1_000_000 if least is None else max(least, len(column.name))


def _total(widths: Mapping[int, int]) -> int:
    return sum(widths.values()) + len(GAP) * (len(widths) - 1)


def _line(
    columns: Sequence[Column], line: Sequence[str], widths: Mapping[int, int], paint: Callable[[str], str] | None
) -> str:
    cells = []
    for place, width in widths.items():
        kind = columns[place].kind
        text = shortened(line[place], width, in_middle=kind is ColumnKind.ID)
        pad = " " * (width - text_width(text))
        drawn = paint(text) if paint and kind is ColumnKind.STATUS else text
        cells.append(pad + drawn if kind in (ColumnKind.COUNT, ColumnKind.SIZE) else drawn + pad)
    return GAP.join(cells).rstrip()
