"""Says in words what a JSON Schema allows."""

from collections.abc import Iterator, Mapping
from typing import Final, cast

from openwa_manager.domain.delivery.events import Json
from tests.reference.markdown import code

Schema = Mapping[str, Json]

_PLAIN: Final = {"string": "string", "integer": "integer", "number": "number", "boolean": "boolean", "null": "null"}
_FORMATS: Final = {"date-time": "time"}


def words_of(schema: Schema) -> str:
    """Return what a value may be."""
    if isinstance(reference := schema.get("$ref"), str):
        name = reference.rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    options = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(options, list) and "type" not in schema:
        return " or ".join(dict.fromkeys(words_of(cast("Schema", option)) for option in options))
    if isinstance(values := schema.get("enum"), list):
        return ", ".join(map(code, values))
    if "const" in schema:
        return code(schema["const"])
    return " ".join([_kind(schema), *_bounds(schema)])


def _kind(schema: Schema) -> str:
    match schema.get("type"):
        case "array":
            return f"list of {words_of(_below(schema, 'items'))}"
        case "object" if isinstance(values := schema.get("additionalProperties"), Mapping):
            return f"object of {words_of(values)}"
        case "object":
            return "object"
        case str() as kind:
            return _FORMATS.get(str(schema.get("format")), _PLAIN[kind])
        case _:
            return "anything"


def _below(schema: Schema, name: str) -> Schema:
    found = schema.get(name, {})
    assert isinstance(found, Mapping)
    return found


def _bounds(schema: Schema) -> Iterator[str]:
    """Yield how large a number may be; how long a text is a matter of the refusal, which says it."""
    least, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    most = schema.get("maximum")
    if least is not None and most is not None:
        yield f"from {least:g} to {most:g}"
    elif least is not None:
        yield f"from {least:g}"
    elif above is not None:
        yield f"above {above:g}"


def default_of(schema: Schema) -> str:
    """Return what is taken where nothing is given, as a part of a sentence; nothing where that says nothing."""
    match schema.get("default"):
        case None | [] | {} | "":
            return ""
        case bool() as value:
            return f" Default: {code(str(value).lower())}."
        case float() as number:
            return f" Default: {code(f'{number:g}')}."
        case value:
            return f" Default: {code(value)}."
