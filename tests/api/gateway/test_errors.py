import json
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import ClientResponse, web
from pytest_aiohttp import AiohttpClient

from openwa_manager.api.gateway.errors import GatewayError
from openwa_manager.domain.errors import (
    DrainingError,
    EngineError,
    EngineTimeoutError,
    InvalidInputError,
    LaunchFailedError,
    QueueFullError,
    StorageFullError,
)
from tests.api.guarding import answering

ERRORS: dict[str, Exception] = {
    "refused": GatewayError(409, "taken", code="TAKEN"),
    "large": GatewayError(413, "request entity too large"),
    "paced": QueueFullError("wait", 7),
    "invalid": InvalidInputError("engine", "is none"),
    "draining": DrainingError("going down"),
    "engine": EngineError("refused"),
    "silent": EngineTimeoutError("silent"),
    "full": StorageFullError("full"),
    "unforeseen": LaunchFailedError("no such code here"),
    "bug": ZeroDivisionError("a secret"),
    "hung-up": ConnectionResetError(),
    "too-large": web.HTTPRequestEntityTooLarge(max_size=1, actual_size=2),
    "method": web.HTTPMethodNotAllowed("PUT", ["GET"]),
}
Ask = Callable[[str], Awaitable[ClientResponse]]


async def fail(request: web.Request) -> web.Response:
    raise ERRORS[request.match_info["error"]]


@pytest.fixture
async def ask(aiohttp_client: AiohttpClient) -> Ask:
    app = web.Application(middlewares=[answering])
    app.router.add_get("/api/{error}", fail)
    app.router.add_get("/v1/{error}", fail)
    client = await aiohttp_client(app)
    return client.get


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("refused", {"message": "taken", "error": "Conflict", "statusCode": 409, "code": "TAKEN"}),
        ("large", {"message": "request entity too large", "statusCode": 413}),
        ("invalid", {"message": "engine: is none", "error": "Bad Request", "statusCode": 400}),
        ("draining", {"message": "going down", "error": "Service Unavailable", "statusCode": 503}),
        ("engine", {"message": "refused", "error": "Bad Gateway", "statusCode": 502}),
        ("silent", {"message": "silent", "error": "Gateway Timeout", "statusCode": 504}),
        ("full", {"message": "full", "error": "Insufficient Storage", "statusCode": 507}),
        ("unforeseen", {"message": "Internal server error", "statusCode": 500}),
        ("bug", {"message": "Internal server error", "statusCode": 500}),
        ("method", {"message": "Cannot GET /api/method", "error": "Not Found", "statusCode": 404}),
        ("too-large", {"message": "Request Entity Too Large", "statusCode": 413}),
        (
            "paced",
            {
                "message": "wait",
                "error": "Too Many Requests",
                "statusCode": 429,
                "code": "SEND_QUEUE_FULL",
                "retryAfterSeconds": 7,
            },
        ),
    ],
)
async def test_every_error_has_openwas_shape(ask: Ask, path: str, body: dict[str, object]) -> None:
    answer = await ask(f"/api/{path}")

    assert answer.status == body["statusCode"]
    assert answer.content_type == "application/json"
    assert json.loads(await answer.read()) == body


@pytest.mark.parametrize(("path", "seconds"), [("paced", "7"), ("draining", "5")])
async def test_who_is_to_come_again_is_told_when(ask: Ask, path: str, seconds: str) -> None:
    assert (await ask(f"/api/{path}")).headers["Retry-After"] == seconds


async def test_a_caller_who_has_hung_up_is_left_to_the_server(ask: Ask) -> None:
    assert (await ask("/api/hung-up")).content_type == "text/plain"


async def test_elsewhere_errors_stay_what_they_are(ask: Ask) -> None:
    assert (await ask("/v1/method")).status == 405
