"""How a reason is kept in a column: the code, the facts under the name of their class, and the sentence they make."""

import re
from collections.abc import Mapping
from functools import cache
from typing import get_args

from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError

from openwa_manager.domain.foreign_json import make_safe
from openwa_manager.domain.session.reasons import Facts, Reason, ReasonCode, Silence, Words
from openwa_manager.store.columns import members, to_json

_TYPE = "type"
#: How 0.1 wrote it.
_SILENCE = re.compile(r"no sign of life for (\d{1,9}) s")
_TYPES: Mapping[str, type[Facts]] = {kind.__name__: kind for kind in get_args(Facts)}


class _Row(BaseModel):
    """A stored reason. Versions before 0.2 kept no `facts`, only the sentence in `detail`."""

    code: ReasonCode
    detail: str
    at: float
    facts: dict[str, JsonValue] | None = None


def reason_to_json(reason: Reason | None) -> str | None:
    """Return the column; the sentence in it is for a version that does not know these facts."""
    if reason is None:
        return None
    facts = {_TYPE: type(reason.facts).__name__, **members(reason.facts)} if reason.facts else None
    return to_json({"code": reason.code, "detail": reason.detail, "at": reason.at, "facts": facts})


def reason_of(stored: str | None) -> Reason | None:
    """Return the reason in the column; facts that this version does not know come back as their sentence."""
    if stored is None:
        return None
    row = _Row.model_validate_json(make_safe(stored))
    return Reason(code=row.code, facts=_facts_of(row), at=row.at)


def _facts_of_sentence(detail: str) -> Facts | None:
    """Return what a version before 0.2 meant: of its sentences only that of silence decides anything later."""
    if silence := _SILENCE.fullmatch(detail):
        return Silence(limit_s=float(silence[1]))
    return Words(text=detail) if detail else None


def _facts_of(row: _Row) -> Facts | None:
    if row.facts is None:
        return None if "facts" in row.model_fields_set else _facts_of_sentence(row.detail)
    name = str(row.facts.get(_TYPE))
    try:
        return _reader_of(name).validate_python(row.facts) if name in _TYPES else Words(text=row.detail)
    except ValidationError:
        return Words(text=row.detail)


@cache
def _reader_of(name: str) -> TypeAdapter[Facts]:
    """Return what reads facts of this kind, made when the first are read: there are many kinds, and few in use."""
    return TypeAdapter(_TYPES[name])
