"""Draws the rows of a group as a table for people."""

from collections.abc import Sequence
from itertools import chain

from tests.benchmarks.rows import FLOOR, OURS, Goal, Row

_MARKS = {True: "met", False: "MISSED", None: "not told"}


def draw(title: str, rows: Sequence[Row]) -> str:
    """Return a line of headings, one for each row, and why some contenders have no figures.

    Contenders that no row has get no column.
    """
    named = chain.from_iterable(row.values for row in rows)
    peers = list(dict.fromkeys(name for name in named if name not in (OURS, FLOOR)))
    heads = [title, "sessions", "ours", "floor", *peers, *(["to best peer"] if peers else []), "to floor", "goal"]
    lines = [heads, *(_cells(row, peers) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    missing = {f"{name}: {reason}": None for row in rows for name, reason in row.missing.items()}
    return "\n".join([*(_line(cells, widths) for cells in lines), *missing])


def goal_text(row: Row, goal: Goal) -> str:
    """Return a goal in words, and whether it is met."""
    sign = "≥" if row.is_more_better else "≤"
    wanted = f"{amount(goal.factor)} of {goal.against}" if goal.against else f"{amount(goal.factor)} {row.unit}"
    return f"{sign} {wanted}: {_MARKS[row.is_met(goal)]}"


def amount(value: float) -> str:
    """Return a number with as many digits as a measurement deserves."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _cells(row: Row, peers: Sequence[str]) -> list[str]:
    values = [_value(row, name) for name in (OURS, FLOOR, *peers)]
    best = row.best_peer()
    to_best = [_ratio(row, best[0] if best else "")] if peers else []
    goals = ", ".join(goal_text(row, goal) for goal in row.goals)
    return [f"{row.name}, {row.unit}", str(row.sessions or ""), *values, *to_best, _ratio(row, FLOOR), goals]


def _value(row: Row, name: str) -> str:
    return amount(row.values[name]) if name in row.values else ""


def _ratio(row: Row, name: str) -> str:
    ratio = row.ratio_to(name)
    return "" if ratio is None else f"{ratio:.2f}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cells[0].ljust(widths[0]),
        *(cell.rjust(width) for cell, width in zip(cells[1:-1], widths[1:-1], strict=True)),
    ]
    return "  ".join([*padded, cells[-1]]).rstrip()
