"""Finds rows by patterns, of which each is a text or the beginning of one and a `*` (domain/delivery/events.py)."""

from collections.abc import Sequence

from openwa_manager.domain.delivery.events import beginning_in
from openwa_manager.store.columns import Column, to_json


def fits(column: str, patterns: Sequence[str], name: str, values: dict[str, Column]) -> str:
    """Return the condition that a column matches one of the patterns; of NULL that is never true.

    What is to be bound is put into `values`, under names that begin with `name`.
    """
    beginnings = [beginning for each in patterns if (beginning := beginning_in(each)) is not None]
    texts = [each for each in patterns if beginning_in(each) is None]
    conditions = list[str]()
    if texts:
        values[f"{name}_texts"] = to_json(texts)
        conditions.append(f"{column} IN (SELECT value FROM json_each(:{name}_texts))")  # noqa: S608 (our words)
    if beginnings:
        values[f"{name}_beginnings"] = to_json(beginnings)
        found = f"SELECT 1 FROM json_each(:{name}_beginnings) WHERE substr({column}, 1, length(value)) = value"  # noqa: S608 (our words)
        conditions.append(f"EXISTS ({found})")
    return f"({' OR '.join(conditions)})" if conditions else "false"
