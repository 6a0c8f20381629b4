"""Writes docs/reference/events.md: every event with its fields, from the table in the domain."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from openwa_manager.domain.delivery.event_types import CHAPTERS, COMMON, EventType, Field
from openwa_manager.domain.delivery.events import UNNUMBERED
from tests.reference.markdown import chapter, code, page, table

_INTRODUCTION: Final = """\
Every event that endpoints are told of. An event is one signed POST of flat JSON: the fields that all events have, and
beside them those of its type. How to receive them, check their signature and answer them: [backend.md](../backend.md).

An event can arrive twice, always with the same `id`. Those of a session arrive in the order of `seq`. Later versions
may add types and fields, so answer 200 to what you do not know."""
_FILTERS: Final = """\
An endpoint's `events`, the setting `upstream_events` and `openwa-manager events --type` take the names below, or a
beginning and a `*`, as `session.*`."""
_HEAD: Final = ("field", "type", "what it is")


def events_page() -> str:
    """Return the page."""
    numberless = ", ".join(code(name) for name in sorted(UNNUMBERED))
    words = f"{numberless} have no `seq`: they may overtake others, expire and be dropped."
    common = chapter("Fields of every event", table(_HEAD, map(_row, COMMON)), words)
    return page("Events", _INTRODUCTION, _FILTERS, common, *(_chapter(title, each) for title, each in CHAPTERS.items()))


def _chapter(title: str, events: Iterable[EventType]) -> str:
    """Return a chapter; events that have the same fields share a table."""
    groups = groupby(events, key=lambda each: each.fields)
    return chapter(title, *(_group(fields, list(group)) for fields, group in groups))


def _group(fields: Sequence[Field], events: Sequence[EventType]) -> str:
    words = [f"**{code(each.name)}** {each.when}" for each in events]
    if not fields:
        return "\n\n".join(f"{each} It has no further fields." for each in words)
    told = words[0] if len(words) == 1 else "\n".join(f"- {each}" for each in words)
    return f"{told}\n\n{table(_HEAD, map(_row, fields))}"


def _row(field: Field) -> list[str]:
    kind = f"{field.kind} or null" if field.may_be_null else str(field.kind)
    return [code(field.name), f"{kind}, may be absent" if field.may_be_absent else kind, field.says]
