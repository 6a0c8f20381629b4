"""What OpenWA's ValidationPipe refuses, in class-validator's words and order."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from openwa_manager.simulator.http.errors import HttpError, refusal
from openwa_manager.simulator.http.wire import Json

#: (name of the field, its value or None) -> the complaint, or None.
Check = Callable[[str, Json], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of a body: its checks, in the order their complaints come; the last decorator speaks first.

    `convert` reads a text that stands for something else, as every value of a form does; None: it stays text.
    """

    name: str
    checks: tuple[Check, ...] = ()
    is_optional: bool = False
    nested: "tuple[Field, ...]" = ()
    convert: Callable[[str], Json] | None = None


def is_string(name: str, value: Json) -> str | None:
    """Refuse what is no string."""
    return None if isinstance(value, str) else f"{name} must be a string"


def filled(name: str, value: Json) -> str | None:
    """Refuse the absent and the empty."""
    return f"{name} should not be empty" if value in ("", None) else None


def at_most(length: int, name: str, value: Json) -> str | None:
    """Refuse text over `length` characters."""
    if isinstance(value, str) and len(value) <= length:
        return None
    return f"{name} must be shorter than or equal to {length} characters"


def at_least(length: int, name: str, value: Json) -> str | None:
    """Refuse text under `length` characters."""
    if isinstance(value, str) and len(value) >= length:
        return None
    return f"{name} must be longer than or equal to {length} characters"


def matching(pattern: str, message: str, name: str, value: Json) -> str | None:
    """Refuse text of another form, in the words of `message`."""
    del name
    return None if isinstance(value, str) and re.fullmatch(pattern, value) else message


def _one_of(choices: tuple[str, ...], name: str, value: Json) -> str | None:
    return None if value in choices else f"{name} must be one of the following values: {', '.join(choices)}"


def each_one_of(choices: frozenset[str], name: str, value: Json) -> str | None:
    """Refuse a list with an item outside `choices`."""
    if isinstance(value, list) and all(item in choices for item in value):
        return None
    return f"each value in {name} must be one of the following values: {', '.join(sorted(choices))}"


def _each_string(name: str, value: Json) -> str | None:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return None
    return f"each value in {name} must be a string"


def is_array(name: str, value: Json) -> str | None:
    """Refuse what is no list."""
    return None if isinstance(value, list) else f"{name} must be an array"


def array_at_most(count: int, name: str, value: Json) -> str | None:
    """Refuse a list of more than `count` items."""
    if isinstance(value, list) and len(value) <= count:
        return None
    return f"{name} must contain no more than {count} elements"


def array_at_least(count: int, name: str, value: Json) -> str | None:
    """Refuse a list of fewer than `count` items."""
    if isinstance(value, list) and len(value) >= count:
        return None
    return f"{name} must contain at least {count} elements"


def _boolean(name: str, value: Json) -> str | None:
    return None if isinstance(value, bool) else f"{name} must be a boolean value"


def _integer(name: str, value: Json) -> str | None:
    return None if isinstance(value, int) and not isinstance(value, bool) else f"{name} must be an integer number"


def _number(name: str, value: Json) -> str | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return None
    return f"{name} must be a number conforming to the specified constraints"


def _between(low: float, high: float, name: str, value: Json) -> str | None:
    if not isinstance(value, int | float) or value > high:
        return f"{name} must not be greater than {high:g}"
    return f"{name} must not be less than {low:g}" if value < low else None


def is_url(name: str, value: Json) -> str | None:
    """Refuse what is no http(s) URL."""
    pattern = r"https?://[^\s/?#@]+(@[^\s/?#@]+)?([/?#]\S*)?"
    return None if isinstance(value, str) and re.fullmatch(pattern, value) else f"{name} must be a URL address"


def header_map(name: str, value: Json) -> str | None:
    """Refuse what cannot be sent as headers."""
    is_good = isinstance(value, dict) and all(
        re.fullmatch(r"[A-Za-z0-9-]+", key)
        and isinstance(text, str)
        and re.fullmatch(r"[^\x00-\x1f\x7f]{0,1024}", text)
        for key, text in value.items()
    )
    if is_good:
        return None
    return (
        f"{name} must be a flat map of valid header names to string values "
        "(no control characters, max 50 entries, value max 1024 chars)"
    )


def text(name: str, length: int | None = None, *, is_optional: bool = False, may_be_empty: bool = False) -> Field:
    """Return a string field."""
    checks: list[Check] = [] if length is None else [partial(at_most, length)]
    if not may_be_empty:
        checks.append(filled)
    return Field(name=name, checks=(*checks, is_string), is_optional=is_optional)


def flag(name: str, *, is_optional: bool = True) -> Field:
    """Return a boolean field."""
    return Field(name=name, checks=(_boolean,), is_optional=is_optional, convert=_flag_in)


def integer(name: str, low: int, high: int) -> Field:
    """Return an optional whole number within limits."""
    return Field(name=name, checks=(partial(_between, low, high), _integer), is_optional=True, convert=_number_in)


def strings(name: str, count: int = 1024, *, at_least: int = 0, is_optional: bool = True) -> Field:
    """Return a list of strings."""
    checks: list[Check] = [_each_string, partial(array_at_most, count)]
    if at_least:
        checks.append(partial(array_at_least, at_least))
    return Field(name=name, checks=(*checks, is_array), is_optional=is_optional)


def choice(name: str, choices: tuple[str, ...], *, is_optional: bool = False) -> Field:
    """Return a field that holds one of a few words."""
    return Field(name=name, checks=(partial(_one_of, choices),), is_optional=is_optional)


def number(name: str, low: float, high: float, *, is_optional: bool = False) -> Field:
    """Return a number within limits."""
    return Field(name=name, checks=(partial(_between, low, high), _number), is_optional=is_optional, convert=_number_in)


def anything(name: str) -> Field:
    """Return an optional field that is not looked into."""
    return Field(name=name, is_optional=True)


def nested(name: str, fields: tuple[Field, ...], *, is_optional: bool = True, checks: tuple[Check, ...] = ()) -> Field:
    """Return an object (or a list of objects) with fields of its own."""
    return Field(name=name, checks=checks, is_optional=is_optional, nested=fields)


def converted(body: dict[str, Json], fields: tuple[Field, ...]) -> dict[str, Json]:
    """Return a body with flags and numbers in place of the texts that stand for them."""
    by_name = {field.name: field.convert for field in fields}
    return {
        name: convert(value) if isinstance(value, str) and (convert := by_name.get(name)) else value
        for name, value in body.items()
    }


def _flag_in(text: str) -> Json:
    return {"true": True, "false": False}.get(text, text)


def _number_in(text: str) -> Json:
    if re.fullmatch(r"-?[0-9]{1,15}", text):
        return int(text)
    return float(text) if re.fullmatch(r"-?[0-9]{1,15}\.[0-9]{1,15}", text) else text


def complaints(body: Json, fields: tuple[Field, ...], prefix: str = "") -> Iterable[str]:
    """Yield what class-validator says about a body: unknown fields first, then field by field."""
    values = body if isinstance(body, dict) else {}
    known = {field.name for field in fields}
    for name in values:
        if name not in known:
            yield f"{prefix}property {name} should not exist"
    for field in fields:
        value = values.get(field.name)
        if value is None and field.is_optional:
            continue
        for check in field.checks:
            complaint = check(field.name, value)
            if complaint is not None:
                yield prefix + complaint
        yield from _nested_complaints(value, field, prefix)


def _nested_complaints(value: Json, field: Field, prefix: str) -> Iterable[str]:
    if not field.nested:
        return
    if isinstance(value, list):
        for at, item in enumerate(value):
            yield from complaints(item, field.nested, f"{prefix}{field.name}.{at}.")
    elif isinstance(value, dict):
        yield from complaints(value, field.nested, f"{prefix}{field.name}.")


def bad_body(messages: list[Json], *, shows_detail: bool) -> HttpError:
    """Return the refusal for a list of complaints; production keeps them to itself."""
    if shows_detail:
        return refusal(400, messages)
    return HttpError(400, {"message": "Bad Request", "statusCode": 400})
