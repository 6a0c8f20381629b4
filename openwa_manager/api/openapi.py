"""The whole API as OpenAPI 3.1, read off the table that answers the requests."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Literal

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from openwa_manager.api.errors import PROBLEM_TYPE
from openwa_manager.api.gateway.errors import PREFIX
from openwa_manager.api.requests import SESSION_ID_TEXT, Body, Nothing, RequestModel
from openwa_manager.api.responses import OpenwaError, Problem
from openwa_manager.api.routing import Answer, Call, Route, route
from openwa_manager.domain.access.roles import OPEN, Role
from openwa_manager.domain.delivery.events import Json

_REF = "#/components/schemas/{model}"
_PATH_PARAMETER = re.compile(r"\{(\w+)\}")
#: What any call with a key may answer beside what its route says.
_ALWAYS = (401, 403, 421, 500, 503)
_CHANGING = (507,)
_WITH_BODY = (400, 413, 415, 422)


class OpenapiRoutes:
    """`/openapi.json`."""

    def __init__(self, others: Sequence[Route], version: str) -> None:
        self._others = others
        self._version = version
        self._body = b""

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        return (route("GET /openapi.json", Role.VIEWER, self.show, Nothing, {200: ("application/json",)}),)

    async def show(self, call: Call[Nothing]) -> web.Response:
        """Describe this API."""
        del call
        self._body = self._body or json.dumps(describe((*self._others, *self.table()), self._version)).encode()
        return web.Response(body=self._body, content_type="application/json")


def describe(routes: Sequence[Route], version: str) -> dict[str, Json]:
    """Return the OpenAPI document of these routes."""
    schemas = _schemas(routes)
    paths: dict[str, dict[str, Json]] = {}
    for each in routes:
        if each.method != "*":  # that stands for what we know nothing of
            paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "openwa-manager", "version": version, "license": {"name": "MIT", "identifier": "MIT"}},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
        "security": [{"key": []}, {"bearer": []}],
    }


_Schemas = Mapping[str, Mapping[str, Json]]


def _schemas(routes: Iterable[Route]) -> _Schemas:
    wanted: dict[tuple[type[BaseModel], Literal["validation", "serialization"]], None] = {
        (Problem, "serialization"): None,
        (OpenwaError, "serialization"): None,
    }
    for each in routes:
        wanted[each.arguments, "validation"] = None
        answers = [answer for kinds in each.answers.values() for answer in kinds]
        wanted |= {(answer, "serialization"): None for answer in answers if isinstance(answer, type)}
    _, document = models_json_schema(list(wanted), ref_template=_REF)
    schemas: _Schemas = document["$defs"]
    return schemas


def _operation(each: Route, schemas: _Schemas) -> Json:
    operation: dict[str, Json] = {
        "operationId": each.name,
        "summary": each.summary,
        "parameters": [*_path_parameters(each.path), *_query_parameters(each.arguments, schemas)],
        "responses": {str(status): _response(each, status, kinds) for status, kinds in _responses(each)},
        "security": [{"key": [each.role]}, {"bearer": [each.role]}] if each.role is not OPEN else [],
    }
    if issubclass(each.arguments, Body):
        operation["requestBody"] = {"content": {"application/json": {"schema": {"$ref": _ref(each.arguments)}}}}
    if each.documented_at is not None:
        operation["externalDocs"] = {"url": each.documented_at}
    return operation


def _path_parameters(path: str) -> Iterator[Json]:
    for name in _PATH_PARAMETER.findall(path):
        pattern = {"pattern": SESSION_ID_TEXT} if name == "session_id" else {}
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", **pattern}}


def _query_parameters(arguments: type[RequestModel], schemas: _Schemas) -> Iterator[Json]:
    if issubclass(arguments, Body):
        return
    properties = schemas[arguments.__name__].get("properties", {})
    assert isinstance(properties, Mapping)  # noqa: S101 (so JSON Schema defines it)
    for name, schema in properties.items():
        yield {"name": name, "in": "query", "required": False, "schema": schema}


def _responses(each: Route) -> Iterator[tuple[int, tuple[Answer, ...]]]:
    others = set() if each.role is OPEN else {*_ALWAYS}
    others |= {*_WITH_BODY} if issubclass(each.arguments, Body) else set() if each.arguments is Nothing else {422}
    others |= {404} if "{" in each.path else set()
    others |= {*_CHANGING} if each.method != "GET" else set()
    yield from sorted({**dict.fromkeys(others, ()), **each.answers}.items())


def _response(each: Route, status: int, kinds: tuple[Answer, ...]) -> Json:
    content: dict[str, Json] = {}
    for kind in kinds:
        if isinstance(kind, str):
            content[kind] = {}
        elif kind is not None:
            content["application/json"] = {"schema": {"$ref": _ref(kind)}}
    if not kinds:
        media_type, error = ("application/json", OpenwaError) if _is_gateway(each) else (PROBLEM_TYPE, Problem)
        content[media_type] = {"schema": {"$ref": _ref(error)}}
    return {"description": HTTPStatus(status).phrase, **({"content": content} if content else {})}


def _is_gateway(each: Route) -> bool:
    return each.path.startswith(PREFIX)


def _ref(model: type[BaseModel]) -> str:
    return _REF.format(model=model.__name__)
