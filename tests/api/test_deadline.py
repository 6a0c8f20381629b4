import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from functools import partial

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from pytest_aiohttp import AiohttpClient

from openwa_manager.api.deadline import RequestDeadline
from openwa_manager.api.errors import UnfinishedError
from openwa_manager.api.middleware import prepare_answer
from openwa_manager.api.requests import Nothing, WaitQuery
from openwa_manager.api.routing import Call, Route, read_whole, route
from tests.api.guarding import answering

SOON_S = 0.05


async def _wait(call: Call[Nothing]) -> web.StreamResponse:
    """Wait for what never comes."""
    del call
    async with asyncio.timeout(60):
        await asyncio.Event().wait()
    raise AssertionError


async def _wait_a_while(call: Call[Nothing] | Call[WaitQuery]) -> web.StreamResponse:
    """Answer late."""
    del call
    loop = asyncio.get_running_loop()
    late = loop.create_future()
    loop.call_later(3 * SOON_S, late.set_result, None)
    await late
    return web.Response()


async def _stream(call: Call[Nothing]) -> web.StreamResponse:
    """Begin in time, and end late."""
    response = web.StreamResponse()
    await response.prepare(call.request)
    await _wait_a_while(call)
    await response.write_eof(b"whole")
    return response


async def _fail(call: Call[Nothing]) -> web.StreamResponse:
    """Have a deadline of one's own."""
    del call
    raise TimeoutError


async def _read(call: Call[Nothing]) -> web.StreamResponse:
    """Read a body that takes longer than the handler may."""
    return web.Response(body=await read_whole(call.request))


async def _read_in_vain(call: Call[Nothing]) -> web.StreamResponse:
    """Read a body that takes longer than it may."""
    return web.Response(body=await read_whole(call.request, SOON_S))


async def _dribble() -> AsyncIterator[bytes]:
    yield b"who"
    loop = asyncio.get_running_loop()
    late = loop.create_future()
    loop.call_later(3 * SOON_S, late.set_result, None)
    await late
    yield b"le"


def routes() -> Sequence[Route]:
    return (
        route("POST /read", None, _read, Nothing, {}),
        route("POST /read-in-vain", None, _read_in_vain, Nothing, {}),
        route("GET /never", None, _wait, Nothing, {}),
        route("GET /late", None, _wait_a_while, Nothing, {}),
        route("GET /patient", None, _wait_a_while, WaitQuery, {}),
        route("GET /stream", None, _stream, Nothing, {}),
        route("GET /own", None, _fail, Nothing, {}),
    )


@pytest.mark.parametrize(
    ("path", "status"), [("/never", 504), ("/late", 504), ("/patient", 200), ("/stream", 200), ("/own", 500)]
)
async def test_a_handler_has_its_time_unless_its_route_may_take_long_or_it_has_begun_to_answer(
    aiohttp_client: AiohttpClient, path: str, status: int
) -> None:
    client = await aiohttp_client(app_with_deadline())

    async with client.get(path) as answer:
        body = await answer.read()

    assert answer.status == status
    if status == 504:
        assert b'"code": "unfinished"' in body
    if path == "/stream":
        assert body == b"whole"


@pytest.mark.parametrize(("path", "status", "told"), [("/read", 200, b"whole"), ("/read-in-vain", 408, b'"timeout"')])
async def test_a_body_has_a_time_of_its_own(aiohttp_client: AiohttpClient, path: str, status: int, told: bytes) -> None:
    client = await aiohttp_client(app_with_deadline())

    async with client.post(path, data=_dribble()) as answer:
        body = await answer.read()

    assert answer.status == status
    assert told in body


def a_request() -> web.Request:
    return make_mocked_request("GET", "/")


async def _wait_for_ever(_: web.Request) -> web.StreamResponse:
    async with asyncio.timeout(60):
        await asyncio.Event().wait()
    raise AssertionError


async def test_each_has_its_own_time_and_all_share_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    timers: list[float] = []
    call_at = loop.call_at

    def noted(when: float, callback: Callable[..., object], *arguments: object) -> asyncio.TimerHandle:
        timers.append(when)
        return call_at(when, callback, *arguments)

    monkeypatch.setattr(loop, "call_at", noted)
    deadline, ended = RequestDeadline(SOON_S), list[int]()

    async def ask(number: int) -> None:
        with pytest.raises(UnfinishedError):
            await deadline.keep(a_request(), _wait_for_ever)
        ended.append(number)

    for _ in range(20):
        await deadline.keep(a_request(), _answer)
    assert len(timers) == 1
    async with asyncio.TaskGroup() as tasks:
        for number in range(5):
            tasks.create_task(ask(number))

    assert ended == list(range(5))


async def test_a_handler_that_somebody_else_cancels_is_cancelled() -> None:
    async with asyncio.TaskGroup() as tasks:
        kept = tasks.create_task(RequestDeadline(SOON_S).keep(a_request(), _wait_for_ever))
        await asyncio.sleep(0)
        kept.cancel()

    assert kept.cancelled()


async def test_a_handler_that_ends_all_the_same_is_not_cancelled_later() -> None:
    async def end_all_the_same(_: web.Request) -> web.StreamResponse:
        with suppress(asyncio.CancelledError):
            async with asyncio.timeout(60):
                await asyncio.Event().wait()
        return web.Response()

    assert (await RequestDeadline(SOON_S).keep(a_request(), end_all_the_same)).status == 200

    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def _answer(_: web.Request) -> web.StreamResponse:
    return web.Response()


def app_with_deadline() -> web.Application:
    table = routes()
    app = web.Application(middlewares=[answering])
    deadline = RequestDeadline(SOON_S)
    app.on_response_prepare.append(prepare_answer)
    for each in table:
        handler = each.handler if each.may_take_long else partial(deadline.keep, handler=each.handler)
        app.router.add_route(each.method, each.path, handler)
    return app
