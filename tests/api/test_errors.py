import io
import json
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient
from structlog.testing import capture_logs

from openwa_manager.api.app import make_table
from openwa_manager.api.errors import PROBLEM_TYPE, STATUS_OF
from openwa_manager.api.middleware import prepare_answer
from openwa_manager.api.requests import BODY_MAX_BYTES
from openwa_manager.api.routing import Route
from openwa_manager.domain.errors import (
    AlreadyRunningError,
    DrainingError,
    EngineError,
    EngineTimeoutError,
    OpenwaManagerError,
    OwnedElsewhereError,
    StorageFullError,
)
from openwa_manager.domain.session.launch_facts import LockHeld
from tests.api.guarding import answering
from tests.api.world import World, backing_of

AnswerTo = Callable[[Exception], Awaitable[aiohttp.ClientResponse]]


async def test_an_unknown_path_is_a_404_problem(world: World) -> None:
    reply = await world.call("GET", "/v1/nope")

    assert (reply.status, reply.code) == (404, "not_found")


@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/sessions/acme", "/v1/registry", "/livez"])
async def test_a_slash_at_the_end_makes_no_other_path(world: World, path: str) -> None:
    await world.create(session_id="acme", desired="stopped")

    without, with_slash = [await world.call("GET", f"{path}{end}") for end in ("", "/")]

    assert (with_slash.status, with_slash.raw) == (200, without.raw)


@pytest.mark.parametrize("path", ["/v1/sessions//stop", "//v1/sessions/stop", "/v1//sessions/stop"])
async def test_an_id_that_was_left_out_does_not_mean_all_sessions(world: World, path: str) -> None:
    status, _ = await world.raw(f"POST {path} HTTP/1.1\nHost: localhost\nX-API-Key: {world.key}\nContent-Length: 0")

    assert status == 404


async def test_a_wrong_method_is_a_405_that_names_the_right_ones(world: World) -> None:
    reply = await world.call("PUT", "/v1/sessions")

    assert (reply.status, reply.code) == (405, "method_not_allowed")
    assert {"GET", "POST"} <= set(reply.headers["Allow"].split(","))


async def test_a_session_named_like_a_verb_is_still_reached(world: World) -> None:
    await world.create(session_id="stop", desired="stopped")

    reply = await world.call("GET", "/v1/sessions/stop")

    assert (reply.status, reply.json["session_id"]) == (200, "stop")


async def test_head_is_answered_like_get_without_the_body(world: World) -> None:
    reply = await world.call("HEAD", "/v1/registry")

    assert (reply.status, reply.raw) == (200, b"")


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "bad_request"),
        (b"\xff\xfe", "application/json", 400, "bad_request"),
        (b"not json", "application/json", 400, "bad_request"),
        (b"[" * 5000, "application/json", 400, "bad_request"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b"a=b", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"[1]", "application/json", 422, "invalid"),
        (b"null", "application/json", 422, "invalid"),
        (b'{"session_id": "a", "sesion": 1}', "application/json; charset=utf-8", 422, "invalid"),
        (b'"' + b"a" * BODY_MAX_BYTES + b'"', "application/json", 413, "too_large"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    world: World, body: bytes, content_type: str, status: int, code: str
) -> None:
    url = "/v1/sessions"
    headers = {"X-API-Key": world.key, "Content-Type": content_type}

    async with world.client.post(url, data=io.BytesIO(body), headers=headers) as answer:
        problem = await answer.json()

    assert (answer.status, problem["code"]) == (status, code)
    assert answer.content_type == "application/problem+json"
    assert world.sessions.list_sessions() == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"session_id": "UPPER"}, "session_id"),
        ({"session_id": ""}, "session_id"),
        ({"session_id": "a" * 64}, "session_id"),
        ({"session_id": "../etc"}, "session_id"),
        ({"session_id": "a\x00"}, "session_id"),
        ({"session_id": "a\n"}, "session_id"),
        ({"session_id": 7}, "session_id"),
        ({"colour": "red"}, "colour"),
        ({"engine": "toaster"}, "engine"),
        ({"desired": "asleep"}, "desired"),
        ({"wait_for": "godot"}, "wait_for"),
        ({"timeout_s": 61}, "timeout_s"),
        ({"timeout_s": -1}, "timeout_s"),
        ({"timeout_s": "30"}, "timeout_s"),
        ({"labels": {"a": 1}}, "labels.a"),
        ({"labels": {"a:b": "c"}}, "labels.a:b.[key]"),
        ({"labels": {f"l{n}": "" for n in range(65)}}, "labels"),
        ({"env": {"path": "x"}}, "env.path"),
        ({"env": {"PATH": "x"}}, "env.PATH"),
        ({"env": {"NODE_OPTIONS": "--require x"}}, "env.NODE_OPTIONS"),
        ({"env": {"LD_PRELOAD": "x"}}, "env.LD_PRELOAD"),
        ({"env": {"API_MASTER_KEY": "x"}}, "env.API_MASTER_KEY"),
        ({"env": {"A": "x\x00y"}}, "env.A"),
        ({"proxy_url": "gopher://x"}, "proxy_url"),
        ({"proxy_url": "http://x/ y"}, "proxy_url"),
        ({"memory_limit_bytes": 0}, "memory_limit_bytes"),
        ({"memory_limit_bytes": 2**63}, "memory_limit_bytes"),
        ({"memory_limit_bytes": True}, "memory_limit_bytes"),
        ({"user_id": ""}, "user_id"),
    ],
)
async def test_a_value_that_is_not_acceptable_is_named(world: World, body: dict[str, object], field: str) -> None:
    reply = await world.call("POST", "/v1/sessions", {"desired": "stopped", **body})

    assert (reply.status, reply.code, reply.json["field"]) == (422, "invalid", field)
    assert field in str(reply.json["detail"])
    assert world.sessions.list_sessions() == []


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=1001", "limit=x", "limit=", "limit=1&limit=2", "status=asleep", "cursor=x", "cursor="),
        *("label=novalue", "label=:v", "colour=red", "cursor=WzEsMl0=", "cursor=W05hTiwiYSJd", "cursor=%C3%BC"),
    ],
)
async def test_a_query_out_of_range_is_named(world: World, query: str) -> None:
    reply = await world.call("GET", f"/v1/sessions?{query}")

    assert (reply.status, reply.code) == (422, "invalid")
    assert str(reply.json["field"]).startswith(query.partition("=")[0])


async def test_a_callers_own_request_id_is_kept_if_it_is_a_sane_one(world: World) -> None:
    kept = await world.call("GET", "/v1/nope", headers={"X-Request-ID": "req-7.a_b:c"})
    replaced = await world.call("GET", "/v1/nope", headers={"X-Request-ID": "x" * 129})

    assert kept.headers["X-Request-ID"] == kept.json["request_id"] == "req-7.a_b:c"
    assert replaced.headers["X-Request-ID"] == replaced.json["request_id"] != "x" * 129


async def test_no_answer_may_be_cached_or_sniffed(world: World) -> None:
    await world.create(session_id="s0", desired="stopped")
    reads = [each for each in make_table(backing_of(world), world.gateway) if _is_plain_read(each)]

    for each in reads:
        reply = await world.call("GET", each.path.replace("{session_id}", "s0"))

        is_tagged = "etag" in map(str.lower, reply.headers)
        assert is_tagged == (304 in each.answers and reply.status == 200), each.path
        assert reply.headers["Cache-Control"] == ("private, no-cache" if is_tagged else "no-store"), each.path
        assert reply.headers["X-Content-Type-Options"] == "nosniff", each.path
    assert (await world.call("GET", "/v1/nope")).headers["Cache-Control"] == "no-store"


def _is_plain_read(each: Route) -> bool:
    """Tell whether a route answers at once, with no stream and no page, which says itself how long it may be kept."""
    kinds = {kind for kinds in each.answers.values() for kind in kinds}
    is_open = "text/event-stream" in kinds or "text/html" in kinds
    return each.method == "GET" and each.path.startswith(("/v1/", "/livez", "/readyz", "/healthz")) and not is_open


async def test_a_body_in_a_broken_coding_is_a_bad_request(world: World) -> None:
    head = f"POST /v1/sessions HTTP/1.1\nHost: localhost\nX-API-Key: {world.key}\nContent-Type: application/json\n"

    status, _ = await world.raw(f"{head}Transfer-Encoding: chunked", b"rubbish\n")

    assert status == 400
    assert world.sessions.list_sessions() == []


@pytest.fixture
async def answer_to(aiohttp_client: AiohttpClient) -> AnswerTo:
    """Give a function that serves a handler which raises an error, and returns the answer to one call."""

    async def answer_to(error: Exception) -> aiohttp.ClientResponse:
        async def fail(request: web.Request) -> web.Response:
            del request
            raise error

        app = web.Application(middlewares=[answering])
        app.on_response_prepare.append(prepare_answer)
        app.router.add_get("/", fail)
        client = await aiohttp_client(app)
        return await client.get("/")

    return answer_to


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (EngineError("no"), 502),
        (EngineTimeoutError("late"), 504),
        (DrainingError("bye"), 503),
        (StorageFullError("full"), 507),
        (OwnedElsewhereError(LockHeld(path="/lock")), 409),
    ],
)
async def test_every_error_has_its_status_and_503_a_retry_after(
    answer_to: AnswerTo, error: OpenwaManagerError, status: int
) -> None:
    answer = await answer_to(error)

    problem = await answer.json(content_type=PROBLEM_TYPE)
    assert (answer.status, problem["code"], problem["detail"]) == (status, error.code, str(error))
    assert ("Retry-After" in answer.headers) == ("retry_after_s" in problem) == (status == 503)


@pytest.mark.parametrize("error", [KeyError("owm_secret"), AlreadyRunningError("pid 7"), OpenwaManagerError("x")])
async def test_a_fault_of_ours_is_logged_with_its_traceback_and_tells_the_caller_nothing(
    answer_to: AnswerTo, error: Exception
) -> None:
    with capture_logs() as log:
        answer = await answer_to(error)

    problem = await answer.json(content_type=PROBLEM_TYPE)
    assert (answer.status, problem["code"]) == (500, "internal_error")
    assert str(error) not in json.dumps(problem)
    failed = next(line for line in log if line["event"] == "request_failed")
    assert failed["exc_info"] is error
    assert failed["request_id"] == problem["request_id"]


async def test_a_caller_who_has_hung_up_is_left_to_the_server(answer_to: AnswerTo) -> None:
    assert (await answer_to(ConnectionResetError("gone"))).content_type == "text/plain"


def test_the_table_knows_all_statuses_of_the_contract() -> None:
    contract = {400, 401, 403, 404, 405, 409, 413, 415, 421, 422, 502, 503, 504, 507}

    assert contract <= set(STATUS_OF.values())


async def test_the_log_says_who_asked(world: World) -> None:
    connector = aiohttp.UnixConnector(str(world.home / "manager.sock"))
    with capture_logs() as log:
        await world.call("GET", "/v1/registry")
        await world.call("GET", "/v1/registry", headers={"X-API-Key": "owm_wrong"})
        async with aiohttp.ClientSession(connector=connector) as client, client.get("http://localhost/v1/registry"):
            pass

    lines = [line for line in log if line["event"] in ("request_answered", "requests_refused")]
    assert [(line["status"], line.get("caller")) for line in lines] == [
        (200, "admin.key"),
        (401, None),
        (200, "unix socket"),
    ]


async def test_requests_are_logged_without_query_or_key(world: World) -> None:
    with capture_logs() as log:
        await world.call("GET", "/v1/registry?colour=red")
        await world.call("POST", "/v1/sessions/unknown/stop")

    lines = [line for line in log if line["event"] == "request_answered"]
    assert [(line["log_level"], line["path"], line["status"]) for line in lines] == [
        ("debug", "/v1/registry", 422),
        ("info", "/v1/sessions/unknown/stop", 404),
    ]
    assert world.key not in str(log)
    assert "colour" not in str(lines)
