"""Says in words what a JSON Schema asks for: types, limits, defaults, and which members there are."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Final

from openwa_manager.api.docs.markdown import draw_line
from openwa_manager.api.docs.openapi_model import Parameter, Schema
from openwa_manager.api.requests import PATTERN_WORDS

_WORDS: Final[Mapping[str | None, str]] = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
    "array": "list",
    "null": "null",
    None: "anything",
}
_FORMATS: Final[Mapping[str | None, str]] = {"date-time": "time (ISO 8601)", "binary": "bytes", "uuid": "UUID"}


class Shapes:
    """The schemas of a document by their names, and the words for them."""

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        self._schemas = schemas

    def __getitem__(self, name: str) -> Schema:
        return self._schemas[name]

    def named_in(self, beginnings: Iterable[Schema]) -> Sequence[str]:
        """Return the names of the records that these schemas consist of, and of what those consist of."""
        found: dict[str, None] = {}
        waiting = [*beginnings]
        while waiting:
            schema = waiting.pop(0)
            if schema.name is not None and schema.name not in found:
                waiting.append(self[schema.name])
                if self._is_record(schema.name):
                    found[schema.name] = None
            waiting += _inside(schema)
        return tuple(found)

    def members(self, schema: Schema, *, is_body: bool) -> str:
        """Return the table of an object's members; of a body it also says which are needed."""
        rows = [
            self._row(name, each, is_needed=is_body and name in schema.required)
            for name, each in schema.properties.items()
        ]
        return _table("member", rows) if rows else f"<p>{self.words(schema)}</p>"

    def parameters(self, parameters: Sequence[Parameter]) -> str:
        """Return the table of what a path and a query have."""
        rows = [
            self._row(each.name, each.shape, is_needed=each.required, more=(f"in the {each.where}", each.description))
            for each in parameters
        ]
        return _table("parameter", rows)

    def rule(self, schema: Schema) -> str:
        """Return which of its members go together, as HTML; empty if that is not said."""
        for how, groups in (("Exactly one of", schema.one_of), ("At least one of", schema.any_of)):
            if groups and all(group.required for group in groups):
                told = [" and ".join(f"<code>{escape(name)}</code>" for name in group.required) for group in groups]
                between = ", " if all(len(group.required) == 1 for group in groups) else "; or "
                return f"<p>{how}: {between.join(told)}.</p>"
        return ""

    def words(self, schema: Schema) -> str:
        """Return what a value must be, as HTML."""
        if schema.name is not None:
            return self._named(schema.name)
        if schema.any_of:
            return " or ".join(dict.fromkeys(map(self.words, schema.any_of)))
        if schema.enum is not None:
            return f"one of {_codes(schema.enum)}"
        if schema.const is not None:
            return _codes((schema.const,))
        return self._plain(schema)

    def _plain(self, schema: Schema) -> str:
        word = _FORMATS.get(schema.format) or _WORDS.get(schema.type, "anything")
        if schema.type == "array" and schema.items is not None:
            word = f"list of: {self.words(schema.items)}"
        elif schema.type == "object" and (values := [*_values(schema)]):
            word = f"object, each value: {' or '.join(map(self.words, values))}"
        limits = [*_limits(schema)]
        return f"{word} ({', '.join(limits)})" if limits else word

    def _named(self, name: str) -> str:
        if self._is_record(name):
            return f'<a href="#{shape_id(name)}">{escape(short(name))}</a>'
        return self.words(self[name])

    def _is_record(self, name: str) -> bool:
        return bool(self[name].properties)

    def _row(self, name: str, schema: Schema, *, is_needed: bool, more: Sequence[str | None] = ()) -> str:
        needed = ' <span class="needed">needed</span>' if is_needed else ""
        default = "" if schema.default is None else f", default {_codes((schema.default,))}"
        about = [schema.description, *(each.description for each in schema.any_of if each.name is None), *more]
        told = [draw_line(each) for each in about if each]
        return (
            f'<tr><th scope="row"><code>{escape(name)}</code>{needed}</th>'
            f"<td>{'<br>'.join((f'{self.words(schema)}{default}', *told))}</td></tr>"
        )


def shape_id(name: str) -> str:
    """Return what a link to a shape ends with."""
    return f"shape-{name}"


def short(name: str) -> str:
    """Return a shape's name without the module that pydantic puts before it where two have the same."""
    return name.rpartition("__")[2]


def _table(first: str, rows: Iterable[str]) -> str:
    head = f'<thead><tr><th scope="col">{first}</th><th scope="col">what it is</th></tr></thead>'
    return f'<div class="table"><table class="members">{head}<tbody>{"".join(rows)}</tbody></table></div>\n'


def _inside(schema: Schema) -> Iterator[Schema]:
    yield from (*schema.properties.values(), *schema.any_of, *schema.one_of)
    if schema.items is not None:
        yield schema.items
    yield from _values(schema)


def _values(schema: Schema) -> Iterator[Schema]:
    """Go through what the values of a table may be whose names are anybody's choice."""
    yield from schema.patterns.values()
    if isinstance(schema.additional, Schema):
        yield schema.additional


def _codes(values: Iterable[object]) -> str:
    return ", ".join(
        f"<code>{escape(each if isinstance(each, str) else json.dumps(each), quote=False)}</code>" for each in values
    )


def _limits(schema: Schema) -> Iterator[str]:
    for lowest, highest, unit in (
        (schema.minimum, schema.maximum, ""),
        (schema.min_length, schema.max_length, " characters"),
        (schema.min_items, schema.max_items, " of them"),
    ):
        if lowest is not None and highest is not None:
            yield f"{lowest:,g} to {highest:,g}{unit}"
        elif highest is not None:
            yield f"at most {highest:,g}{unit}"
        elif lowest:
            yield f"at least {lowest:,g}{unit}"
    if schema.exclusive_minimum is not None:
        yield f"more than {schema.exclusive_minimum:,g}"
    if schema.pattern is not None:
        words = PATTERN_WORDS.get(schema.pattern)
        yield escape(words, quote=False) if words else f"pattern <code>{escape(schema.pattern, quote=False)}</code>"
