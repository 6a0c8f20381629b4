"""The whole API as OpenAPI 3.1, read off the table that answers the requests."""

import asyncio
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Final, Literal

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from openwa_manager.api.bodies.large_answers import large_answer
from openwa_manager.api.description.calls import NOTES
from openwa_manager.api.description.fields import description_of
from openwa_manager.api.description.shared import PATH
from openwa_manager.api.errors import PROBLEM_TYPE, STATUS_OF
from openwa_manager.api.gateway.errors import PREFIX
from openwa_manager.api.messaging.drafts import KEY_HEADER, KEY_MAX_CHARS
from openwa_manager.api.requests import SESSION_ID_TEXT, Body, Nothing, RequestModel
from openwa_manager.api.responses import OpenwaError, Problem
from openwa_manager.api.routing import Answer, Call, Route, route
from openwa_manager.api.tags import TAGS, tag_of
from openwa_manager.domain.access.actions import NEEDS, Action
from openwa_manager.domain.access.roles import OPEN
from openwa_manager.domain.delivery.events import Json

_REF = "#/components/schemas/{model}"
_PATH_PARAMETER = re.compile(r"\{(\w+)\}")
_JSON = "application/json"
#: The head was too long to be read, so nothing is known of the path either, and it is answered in our own form.
_UNREAD: Final = 431
#: What any call may answer beside what its route says: it is broken, or for another host, or there are too many.
_EVERY: Final = (400, 401, 417, 421, 422, 429, _UNREAD, 500, 503)
_WITH_KEY: Final = (403,)
_CHANGING: Final = (408, 413, 507)
_WITH_BODY: Final = (408, 413, 415)
_RETRIED: Final = frozenset({429, 503})
#: What the session's OpenWA answers is its own affair: no single statuses are named.
_OF_OPENWA: Final = ("2XX", "4XX", "5XX")

_INTRODUCTION = """Runs one OpenWA for each WhatsApp session, and answers for all of them.

Every call but those without a key takes `X-API-Key: owm_…` or `Authorization: Bearer owm_…`. A key has a role, and
each role may all that the ones before it may: `viewer`, `sender`, `operator`, `admin`. Apart from it stand `qr` (codes,
which are logins) and `chats` (what people write, and to whom). A key may be for some sessions only; for it there are no
others.

Errors are `application/problem+json` with a stable `code`; below `/api` they have OpenWA's own form. Times are ISO 8601
in UTC. Members of a body and parameters that are not known are refused with 422.

A session, and the list of them, have an `ETag`: asked with it in `If-None-Match` the answer is 304, without a body, for
as long as nothing has changed that this key may see."""


class OpenapiRoutes:
    """`/openapi.json`."""

    def __init__(self, others: Sequence[Route], version: str) -> None:
        self._others = others
        self._version = version
        self._body = b""
        self._writing: asyncio.Future[None] | None = None

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        return (route("GET /openapi.json", OPEN, self.show, Nothing, {200: (_JSON,)}),)

    async def show(self, call: Call[Nothing]) -> web.Response:
        """Describe this API."""
        await self.prepare()
        return large_answer(call.request, self._body, _JSON)

    def document(self) -> dict[str, Json]:
        """Return the description, made anew."""
        return describe((*self._others, *self.table()), self._version)

    async def prepare(self) -> None:
        """Write the description, once; in a thread, for it takes some 200 ms of the first who asks.

        Should he hang up, it is written all the same: else strangers could have it begun again and again.
        """
        if self._body:
            return
        if self._writing is None or self._writing.done():  # it has failed
            self._writing = asyncio.get_running_loop().run_in_executor(None, self._write)
        writing = self._writing
        await asyncio.wait((writing,))
        writing.result()

    def _write(self) -> None:
        self._body = json.dumps(self.document()).encode()


#: What describes the API.
DESCRIPTION = web.AppKey("description", OpenapiRoutes)


def describe(routes: Sequence[Route], version: str) -> dict[str, Json]:
    """Return the OpenAPI document of these routes."""
    schemas = _schemas(routes)
    parameters = _parameters_of(routes)
    paths: dict[str, dict[str, Json]] = {}
    for each in routes:
        if each.method != "*":  # that stands for what we know nothing of
            paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "openwa-manager",
            "summary": "Many WhatsApp sessions behind one API.",
            "description": _INTRODUCTION,
            "version": version,
            "contact": {"name": "Whoever runs this daemon"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "The daemon that serves this document."}],
        "tags": [{"name": tag.name, "description": tag.description} for tag in TAGS],
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in schemas.items() if name not in parameters},
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "A key of ours."},
                "bearer": {"type": "http", "scheme": "bearer", "description": "The same key."},
            },
        },
        "security": [{"key": []}, {"bearer": []}],
    }


#: What values in paths must fit.
_NAMED: Final[Mapping[str, Mapping[str, Json]]] = {
    "session_id": {"pattern": SESSION_ID_TEXT},
    "user_id": {"minLength": 1, "maxLength": 128},
}
_Schemas = Mapping[str, Mapping[str, Json]]


def _schemas(routes: Iterable[Route]) -> _Schemas:
    wanted: dict[tuple[type[BaseModel], Literal["validation", "serialization"]], None] = {
        (Problem, "serialization"): None,
        (OpenwaError, "serialization"): None,
    }
    for each in routes:
        wanted |= {(model, "validation"): None for model in (each.arguments, *_models(each.takes))}
        wanted |= {(answer, "serialization"): None for kinds in each.answers.values() for answer in _models(kinds)}
    _, document = models_json_schema(list(wanted), ref_template=_REF)
    return {name: _with_descriptions(name, schema) for name, schema in document["$defs"].items()}


def _with_descriptions(model: str, schema: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return the schema with what its members are, where the model itself does not say it."""
    members = schema.get("properties")
    if not isinstance(members, Mapping):
        return schema
    return {**schema, "properties": {name: _with_description(model, name, each) for name, each in members.items()}}


def _with_description(model: str, name: str, member: Json) -> Json:
    assert isinstance(member, Mapping)  # noqa: S101 (so JSON Schema defines it)
    said = description_of(model, name)
    return member if said is None or "description" in member else {**member, "description": said}


def _parameters_of(routes: Iterable[Route]) -> set[str]:
    """Return the models whose members are described one by one, as parameters."""
    return {each.arguments.__name__ for each in routes if not issubclass(each.arguments, Body)}


def _models(kinds: Iterable[Answer]) -> Iterator[type[BaseModel]]:
    return (kind for kind in kinds if isinstance(kind, type))


def _operation(each: Route, schemas: _Schemas) -> Json:
    operation: dict[str, Json] = {
        "operationId": each.name,
        "tags": [tag_of(each)],
        "summary": each.summary,
        "description": " ".join(filter(None, (NOTES.get(each.name), _needed(each)))),
        "parameters": [*_path_parameters(each.path), *_query_parameters(each.arguments, schemas), *_headers(each)],
        "responses": {str(status): _response(each, status, kinds) for status, kinds in _responses(each)},
        "security": [{"key": [each.role]}, {"bearer": [each.role]}] if each.role is not OPEN else [],
    }
    if taken := _taken(each):
        operation["requestBody"] = {"content": taken}
    if each.documented_at is not None:
        operation["externalDocs"] = {"url": each.documented_at}
    return operation


def _needed(each: Route) -> str:
    """Say what a caller needs."""
    if each.action is OPEN:
        return "Needs no key."
    need = NEEDS[each.action]
    rights = [name for name, is_needed in (("`qr`", need.qr), ("`chats`", need.chats)) if is_needed]
    return f"Needs a key of the role `{need.role}` or above{', with ' if rights else ''}{' and '.join(rights)}."


def _taken(each: Route) -> dict[str, Json]:
    """Return the kinds of body a call takes."""
    kinds: tuple[Answer, ...] = (each.arguments,) if issubclass(each.arguments, Body) else each.takes
    return _content(kinds)


def _path_parameters(path: str) -> Iterator[Json]:
    for name in _PATH_PARAMETER.findall(path):
        schema: Json = {"type": "string", **_NAMED.get(name, {})}
        said = PATH.get(name, f"The {name.replace('_', ' ')}, as OpenWA names it.")
        yield {"name": name, "in": "path", "required": True, "description": said, "schema": schema}


def _query_parameters(arguments: type[RequestModel], schemas: _Schemas) -> Iterator[Json]:
    if issubclass(arguments, Body):
        return
    properties = schemas[arguments.__name__].get("properties", {})
    assert isinstance(properties, Mapping)  # noqa: S101 (so JSON Schema defines it)
    for name, schema in properties.items():
        assert isinstance(schema, Mapping)  # noqa: S101 (as above)
        described = {"description": said} if (said := schema.get("description")) else {}
        bare = {key: value for key, value in schema.items() if key != "description"}
        yield {"name": name, "in": "query", "required": False, **described, "schema": bare}


#: What sends: asked twice under the same key, it does so once.
_SENDING: Final = frozenset({Action.SEND, Action.SEND_BULK, Action.SEND_BY_GATEWAY})


def _headers(each: Route) -> Iterator[Json]:
    if each.action in _SENDING and each.name != "messages_resend":
        said = (
            "A name of yours for this call: the same again with the same body is not done twice, with another body it "
            "is 422. It belongs to the session, and is remembered until 14 days after the message has ended."
        )
        schema: Json = {"type": "string", "minLength": 1, "maxLength": KEY_MAX_CHARS}
        yield {"name": KEY_HEADER, "in": "header", "required": False, "description": said, "schema": schema}
    if 304 in each.answers and each.action is not OPEN:
        said = "The `ETag` of the answer you have: if it is still the same, the answer is 304 and has no body."
        yield {
            "name": "If-None-Match",
            "in": "header",
            "required": False,
            "description": said,
            "schema": {"type": "string"},
        }


def _responses(each: Route) -> Iterator[tuple[int | str, tuple[Answer, ...]]]:
    others = {*_EVERY}
    others |= set() if each.role is OPEN else {*_WITH_KEY}
    others |= {*_WITH_BODY} if _taken(each) else set()
    others |= {404} if "{" in each.path else set()
    others |= set() if each.may_take_long else {504}
    others |= {*_CHANGING} if each.method != "GET" else set()
    yield from sorted({**dict.fromkeys(others, ()), **each.answers}.items())
    if not each.answers:  # it is handed on
        yield from dict.fromkeys(_OF_OPENWA, ("*/*",)).items()


def _response(each: Route, status: int | str, kinds: tuple[Answer, ...]) -> Json:
    if isinstance(status, str):
        return {"description": "What the session's OpenWA answers.", "content": _content(kinds)}
    content = _content(kinds) if kinds or status < _FIRST_ERROR else _error(each, status)
    headers: dict[str, Json] = {"headers": {"Retry-After": _RETRY_AFTER}} if status in _RETRIED else {}
    return {"description": _said(each, status, kinds), **headers, **({"content": content} if content else {})}


_RETRY_AFTER: Final[Json] = {"description": "After how many seconds to ask again.", "schema": {"type": "integer"}}


def _said(each: Route, status: int, kinds: tuple[Answer, ...]) -> str:
    """Say what a status means: for an error of ours also the codes that it comes with."""
    codes = sorted(code for code, of in STATUS_OF.items() if of == status)
    said = HTTPStatus(status).phrase
    return (
        said
        if kinds or _is_openwas(each, status) or not codes
        else f"{said}: {', '.join(f'`{code}`' for code in codes)}"
    )


def _content(kinds: Iterable[Answer]) -> dict[str, Json]:
    content: dict[str, Json] = {}
    for kind in kinds:
        if isinstance(kind, str):
            content[kind] = {}
        elif kind is not None:
            content[_JSON] = {"schema": {"$ref": _ref(kind)}}
    return content


#: Below it an answer of which nothing else is said has no content.
_FIRST_ERROR: Final = 400


def _error(each: Route, status: int) -> dict[str, Json]:
    if _is_openwas(each, status):
        return {_JSON: {"schema": {"$ref": _ref(OpenwaError)}}}
    return {PROBLEM_TYPE: {"schema": {"$ref": _ref(Problem)}}}


def _is_openwas(each: Route, status: int) -> bool:
    """Tell whether an error has OpenWA's form."""
    return each.path.startswith(PREFIX) and status != _UNREAD


def _ref(model: type[BaseModel]) -> str:
    return _REF.format(model=model.__name__)
