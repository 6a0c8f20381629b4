"""Writes docs/reference/api.md: every call, from the OpenAPI document that the daemon serves."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

from openwa_manager.api.tags import TAGS
from openwa_manager.domain.delivery.events import Json
from tests.reference.markdown import chapter, code, page, table
from tests.reference.openapi import document
from tests.reference.schemas import Schema, default_of, words_of

_INTRODUCTION: Final = """\
Every call of the HTTP API, drawn from `GET /openapi.json`, which programs read (`openwa-manager openapi` prints it)."""
_MANNERS: Final = """\
A call needs `X-API-Key: owm_…` or `Authorization: Bearer owm_…`, but for those that say otherwise. Through the unix
socket `run/manager.sock` in the home the daemon's own user needs none. A key that is limited to sessions gets 404 for
all others.

Bodies are JSON, and `[]` is an empty object, as PHP writes one. Members and parameters that are not known are refused
with 422, so that a mistyped one never passes unnoticed. What is marked with * must be given; null is the same as absent
unless something else is said. Times are ISO 8601 in UTC; those of a body need a time zone.

Lists come in pages: `limit` says how long one is, `cursor` is the `next_cursor` of the page before."""
_ROLES: Final = (
    ("viewer", "reads sessions, health, reasons, events, deliveries and metrics"),
    ("sender", "also messages, batches, queues, checks of numbers, and sends through `/api`"),
    ("operator", "also makes, starts, stops and deletes sessions, reads logs, quotas, the rest of `/api`"),
    ("admin", "also keys, endpoints, the audit, builds, proxies and variables of engines"),
)
_RIGHTS: Final = """\
Apart from the role stand `qr` (codes, which are logins) and `chats` (what people write, and to whom).
[All rights](../design.md#rights)."""
_ERRORS: Final = """\
Each call may also answer 400, 401, 403, 404, 408, 413, 415, 417, 421, 422, 429, 431, 500, 503, 504 or 507; below each
call stand only the other ones. [Their codes](reasons.md#errors-of-the-api)."""
_USUAL: Final = (
    "400",
    "401",
    "403",
    "404",
    "408",
    "413",
    "415",
    "417",
    "421",
    "422",
    "429",
    "431",
    "500",
    "503",
    "504",
)
_FULL_DISK: Final = "507"
_HANDED_ON: Final = "engine"
#: The chapters in the order in which people need them; /openapi.json has them by name.
_ORDER: Final = (
    "sessions",
    "pairing",
    "messages",
    "people",
    "events",
    "access",
    "builds",
    "host",
    "gateway",
    _HANDED_ON,
)
_TAGS: Final = sorted(TAGS, key=lambda tag: _ORDER.index(tag.name))


class _Operation:
    """One call as the document has it."""

    def __init__(self, method: str, path: str, described: Schema) -> None:
        self.method, self.path, self.described = method.upper(), path, described
        self.tag = cast("Sequence[str]", described["tags"])[0]

    @property
    def place(self) -> str:
        return f"{self.method} {self.path}"


def api_page() -> str:
    """Return the page."""
    described = document()
    calls = list(_operations(described))
    models = _Models(cast("Mapping[str, Mapping[str, Schema]]", described["components"])["schemas"])
    chapters = [
        _chapter(tag.name, tag.description, [each for each in calls if each.tag == tag.name], models) for tag in _TAGS
    ]
    drawn = page("HTTP API", _INTRODUCTION, _contents(calls), _manners(), *chapters, models.chapter())
    drawn = re.sub(r"docs/reference/(\w+\.md)", r"[\1](\1)", drawn)
    return re.sub(r"docs/(\w+\.md)", r"[\1](../\1)", drawn)


def _operations(described: Mapping[str, Json]) -> Iterator[_Operation]:
    for path, methods in cast("Mapping[str, Mapping[str, Schema]]", described["paths"]).items():
        yield from (_Operation(method, path, each) for method, each in methods.items())


def _contents(calls: Sequence[_Operation]) -> str:
    rows = []
    for tag in _TAGS:
        inside = [each for each in calls if each.tag == tag.name]
        linked = " · ".join(f"[{each.place}](#{_anchor(each.place)})" for each in inside)
        rows.append([f"[{tag.name}](#{tag.name})", linked if tag.name != _HANDED_ON else f"{len(inside)} calls"])
    return table(["chapter", "calls"], rows)


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _manners() -> str:
    roles = table(["role", "may"], ([code(name), words] for name, words in _ROLES))
    return "\n\n".join((chapter("How to call", _MANNERS), chapter("Roles", roles, _RIGHTS), chapter("Errors", _ERRORS)))


def _chapter(name: str, description: str, calls: Sequence[_Operation], models: "_Models") -> str:
    if name == _HANDED_ON:
        rows = ([code(each.place), _needed(each)] for each in calls)
        return chapter(name.capitalize(), description, table(["call", "needs"], rows))
    return chapter(name.capitalize(), description, *(_call(each, models) for each in calls))


def _needed(call: _Operation) -> str:
    return str(call.described["description"]).removeprefix("Needs a key of the role ").rstrip(".")


def _call(call: _Operation, models: "_Models") -> str:
    note, _, needed = str(call.described["description"]).rpartition("Needs ")
    parts = [f"### {call.place}", f"{call.described['summary']} {note}".strip(), f"Needs {needed}"]
    if rows := [_parameter(each) for each in cast("Sequence[Schema]", call.described["parameters"])]:
        parts.append(table(["parameter", "type", "what it is"], rows))
    parts += models.body(call.described.get("requestBody", {}))
    parts.append(f"Answers: {', '.join(_answers(call))}.")
    return "\n\n".join(parts)


def _parameter(each: Schema) -> list[str]:
    schema = cast("Schema", each["schema"])
    where = {"path": "", "query": "?", "header": "header "}[str(each["in"])]
    return [f"{where}{code(each['name'])}", words_of(schema), f"{each['description']}{default_of(schema)}"]


def _content(described: Json) -> str:
    content = cast("Mapping[str, Mapping[str, Schema]]", cast("Schema", described).get("content", {}))
    return " or ".join(words_of(each["schema"]) if each else code(kind) for kind, each in content.items())


def _answers(call: _Operation) -> Iterator[str]:
    for status, each in cast("Mapping[str, Schema]", call.described["responses"]).items():
        if status in (*_USUAL, _FULL_DISK):
            continue
        content = _content(each)
        yield f"{status} {content}" if status[0] in "23" and content else status


class _Models:
    """The models of bodies and answers: one that is the body of a call only is told there."""

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        self._schemas = schemas
        referred = re.findall(r"#/components/schemas/(\w+)", json.dumps(list(schemas.values())))
        self._inner = frozenset(referred)

    def body(self, described: Json) -> Iterator[str]:
        """Yield what a call takes as its body."""
        content = cast("Mapping[str, Mapping[str, Schema]]", cast("Schema", described).get("content", {}))
        for kind, each in content.items():
            name = str(each.get("schema", {}).get("$ref", "")).rpartition("/")[2]
            if not name:
                yield f"Body: {code(kind)}."
            else:
                yield f"Body: {' '.join(str(self._schemas[name].get('description', '')).split())}"
                yield self._members(name)

    def chapter(self) -> str:
        """Return what answers, and the parts of bodies, consist of."""
        words = "What bodies and answers consist of."
        names = [name for name in sorted(self._schemas) if name in self._inner or not name.endswith(_OF_BODIES)]
        return chapter("Models", words, *map(self._model, names))

    def _model(self, name: str) -> str:
        schema = self._schemas[name]
        words = " ".join(str(schema.get("description", "")).split())
        members = self._members(name) if "properties" in schema else f"One of: {words_of(schema)}."
        return "\n\n".join([f"### {name}", words, members])

    def _members(self, name: str) -> str:
        schema = self._schemas[name]
        needed = cast("Sequence[str]", schema.get("required", ())) if name.endswith(_OF_BODIES) else ()
        members = cast("Mapping[str, Schema]", schema["properties"])
        rows = (
            [
                f"{code(field)}{'*' if field in needed else ''}",
                words_of(each),
                f"{each['description']}{default_of(each)}",
            ]
            for field, each in members.items()
        )
        return table(["field", "type", "what it is"], rows)


#: How the names of models end that callers give.
_OF_BODIES: Final = ("In", "Content", "Change")
