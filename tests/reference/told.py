"""Compares events, as endpoints get them, with what the table of the types of events says of them."""

from collections.abc import Iterator, Mapping

from openwa_manager.domain.delivery.event_types import COMMON, EVENT_TYPES, Field, FieldKind
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.times import iso8601


def differences(body: Mapping[str, Json]) -> Iterator[str]:
    """Yield in what an event differs from what is said of its type."""
    name = str(body.get("type"))
    told = EVENT_TYPES.get(name) or EVENT_TYPES.get(f"{name.partition('.')[0]}.*")
    if told is None:
        yield f"{name} is not known"
        return
    known = {field.name: field for field in (*COMMON, *told.fields)}
    yield from (f"{name} has {each}" for each in body if each not in known)
    for field in known.values():
        if field.name not in body:
            yield from () if field.may_be_absent else (f"{name} lacks {field.name}",)
        elif not _fits(body[field.name], field):
            yield f"{name}: {field.name} is {body[field.name]!r}"


_LENGTH_OF_TIME = len(iso8601(0.0))


def _fits(value: Json, field: Field) -> bool:
    if value is None:
        return field.may_be_null
    match field.kind:
        case FieldKind.STRING:
            return isinstance(value, str)
        case FieldKind.TIME:
            return isinstance(value, str) and len(value) == _LENGTH_OF_TIME and value.endswith("Z")
        case FieldKind.INTEGER:
            return isinstance(value, int)
        case FieldKind.NUMBER:
            return isinstance(value, int | float)
        case FieldKind.OBJECT:
            return isinstance(value, Mapping)
