"""Endpoints that are paused, moved and taken up again while something is on its way to them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.delivery import AttemptResult, Delivered, DeliveryState, Endpoint, Gone, Lane, Retry
from openwa_manager.domain.delivery.events import EndpointId
from openwa_manager.domain.errors import EndpointNotFoundError
from openwa_manager.services.delivery.deliveries import Deliveries
from openwa_manager.services.delivery.endpoints import (
    ENDPOINT_NOT_FOUND,
    EndpointPatch,
    EndpointRules,
    Endpoints,
    anybody,
)
from openwa_manager.store.delivery.deliveries import Selection
from openwa_manager.store.delivery.endpoints import load_endpoints
from tests.services.delivery.dispatch_setup import POLICY, DispatchSetup, an_endpoint, an_event, running

ID = EndpointId("ep_1")


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[DispatchSetup]:
    async with running(tmp_path / "manager.db") as one:
        yield one


def endpoints_of(scene: DispatchSetup) -> Endpoints:
    rules = EndpointRules(check_url=lambda _: None)
    worker = scene.dispatcher._worker
    return Endpoints(scene.database, worker, scene.dispatcher, scene.background, scene.clock, rules)


async def hang_up_during(call: Awaitable[object]) -> None:
    """Begin a call as a caller does who leaves before the answer."""
    async with asyncio.TaskGroup() as callers:

        async def wait() -> None:
            await call

        caller = callers.create_task(wait())
        for _ in range(3):
            await asyncio.sleep(0)
        caller.cancel()


async def test_a_resumed_endpoint_is_told_even_if_the_caller_hangs_up(scene: DispatchSetup) -> None:
    endpoints = endpoints_of(scene)
    scene.sender.answer = lambda _: Gone()
    await scene.tell(an_event())
    await scene.until_rows([("pending",)])
    while (await endpoints.get(ID, anybody)).word != "disabled":
        pass
    scene.sender.answer = lambda _: Delivered(status=200)

    await hang_up_during(endpoints.resume(ID, anybody))

    await scene.until_rows([("delivered",)])


async def test_a_replay_is_made_even_if_the_caller_hangs_up(scene: DispatchSetup) -> None:
    await scene.tell(an_event())
    await scene.until_rows([("delivered",)])
    deliveries = Deliveries(scene.database, scene.dispatcher, scene.background)

    await hang_up_during(deliveries.replay(Selection(state=DeliveryState.DELIVERED)))

    assert len(await scene.sender.until(2)) == 2


async def test_an_endpoint_is_removed_as_a_whole_even_if_the_caller_hangs_up(scene: DispatchSetup) -> None:
    scene.sender.gate.clear()
    await scene.tell(an_event(1), an_event(2))
    await scene.sender.until(1)

    await hang_up_during(endpoints_of(scene).remove(ID, anybody))

    while await scene.database.read(load_endpoints):
        pass
    assert await scene.rows() == []


async def test_no_more_than_sixteen_are_on_their_way_after_a_pause(scene: DispatchSetup) -> None:
    endpoints = endpoints_of(scene)
    scene.sender.gate.clear()
    await scene.tell(*(an_event(1, f"s{number}") for number in range(40)))
    await scene.sender.until(16)

    for is_active in (False, True):
        await endpoints.change(ID, EndpointPatch(is_active=is_active), anybody)
        await scene.until_reloaded()
    scene.sender.gate.set()

    await scene.until_rows([("delivered",)] * 40)
    assert scene.sender.in_flight_max == POLICY.parallel_max[Lane.MAIN]


@pytest.mark.parametrize("outcome", [Gone(), Retry(reason="HTTP 503", status=503)])
async def test_what_a_former_address_answers_is_not_held_against_the_new_one(
    scene: DispatchSetup, outcome: AttemptResult
) -> None:
    names = [f"s{number}" for number in range(8)]
    scene.sender.gate.clear()
    scene.sender.answer = lambda _: outcome
    await scene.tell(*(an_event(1, name) for name in names))
    await scene.sender.until(8)

    await endpoints_of(scene).change(ID, EndpointPatch(url="http://moved"), anybody)
    await scene.until_reloaded()
    scene.sender.answer = lambda _: Delivered(status=200)
    scene.sender.gate.set()

    await scene.until_rows([("delivered", 1)] * 8, "state, attempts")
    assert not scene.dispatcher.is_down(ID)
    (endpoint,) = await scene.database.read(load_endpoints)
    assert endpoint == replace(an_endpoint(url="http://moved"), updated_at=endpoint.updated_at)


@pytest.mark.parametrize("name", ["change", "rotate", "resume", "remove", "test"])
async def test_an_endpoint_is_judged_as_it_is_when_it_is_written(scene: DispatchSetup, name: str) -> None:
    """Whoever may change it while it is for one session may not once somebody else has widened it."""
    endpoints = endpoints_of(scene)
    await endpoints.change(ID, EndpointPatch(sessions=("a_1",)), anybody)

    def permit(endpoint: Endpoint) -> None:
        if endpoint.sessions != ("a_1",):
            raise EndpointNotFoundError(ENDPOINT_NOT_FOUND)

    await endpoints.get(ID, permit)
    await endpoints.change(ID, EndpointPatch(sessions=("*",)), anybody)
    before = await scene.database.read(load_endpoints)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "change": lambda: endpoints.change(ID, EndpointPatch(url="http://elsewhere"), permit),
        "rotate": lambda: endpoints.rotate(ID, None, permit),
        "resume": lambda: endpoints.resume(ID, permit),
        "remove": lambda: endpoints.remove(ID, permit),
        "test": lambda: endpoints.test(ID, permit),
    }

    with pytest.raises(EndpointNotFoundError):
        await calls[name]()
    assert await scene.database.read(load_endpoints) == before


@pytest.mark.parametrize(
    "patch", [EndpointPatch(sessions=("a_1",)), EndpointPatch(events=("session.qr",)), EndpointPatch(sessions=("b_*",))]
)
async def test_what_waits_and_is_not_asked_for_any_more_is_never_sent(
    scene: DispatchSetup, patch: EndpointPatch
) -> None:
    endpoints = endpoints_of(scene)
    scene.sender.answer = lambda _: Retry(reason="HTTP 503", status=503)
    for number in range(3):
        await scene.tell(an_event(number + 1, "a_1"), an_event(number + 1, "a_2"))
    await scene.sender.until(2)

    await endpoints.change(ID, patch, anybody)

    wanted = [("a_1",)] * 3 if patch.sessions == ("a_1",) else []
    assert await scene.rows("session_id") == wanted
