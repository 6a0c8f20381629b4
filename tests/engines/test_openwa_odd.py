"""What other versions of OpenWA, broken ones and strangers do to us; each is a small server with that one manner."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import EngineError, EngineTimeoutError
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import Launch
from openwa_manager.domain.session.stimuli import EngineReady, LinkReport, LinkReported, Observation, QrProduced
from openwa_manager.engines.environment import intake_name
from openwa_manager.engines.openwa import OpenwaEngine, OpenwaSetup
from openwa_manager.engines.program import FixedProgram
from openwa_manager.host.clock import SystemClock
from openwa_manager.host.foreign.engine_files import EngineFiles
from tests.engines.peer import ROW, Peer, serving
from tests.engines.rig import free_port, knowing, new_context, new_launch, new_session
from tests.fakes.clock import FakeClock
from tests.watcher.images import png

ID = "659b1334-0c2a-4d5e-8f00-1a2b3c4d5e6f"
READY, START = "GET /api/health/ready", f"POST /api/sessions/{ID}/start"
RECORD, QR, HOOKS = f"GET /api/sessions/{ID}", f"GET /api/sessions/{ID}/qr", f"/api/sessions/{ID}/webhooks"
SESSION = new_session()


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    return new_launch(free_port(), socket=tmp_path / "s")


def openwa(clock: Clock) -> OpenwaEngine:
    context = new_context(environ={})
    return OpenwaEngine(
        OpenwaSetup(program=FixedProgram(("true",)), engine_context=context, answer_timeout_s=2.0), clock, EngineFiles()
    )


@pytest.fixture
async def engine() -> AsyncIterator[OpenwaEngine]:
    async with openwa(SystemClock()) as engine:
        yield engine


async def brought_up(engine: OpenwaEngine, launch: Launch, peer: Peer) -> list[Observation]:
    reported: list[Observation] = []
    async with serving(peer, launch), asyncio.timeout(20):
        await engine.bring_up(SESSION, launch, reported.append)
    return reported


def link_in(reported: list[Observation]) -> LinkReport:
    return next(each.link for each in reported if isinstance(each, LinkReported))


async def test_a_socket_nobody_listens_on_yet_is_waited_for(launch: Launch) -> None:
    reported: list[Observation] = []
    clock = FakeClock()
    async with asyncio.timeout(20), openwa(clock) as engine, asyncio.TaskGroup() as tasks:
        bringing_up = tasks.create_task(engine.bring_up(SESSION, launch, reported.append))
        await clock.until_sleeping()
        assert reported == []
        async with serving(Peer(), launch):
            await clock.advance(1)
            await bringing_up

    assert isinstance(reported[0], EngineReady)


async def test_an_openwa_that_still_opens_its_database_is_waited_for(engine: OpenwaEngine, launch: Launch) -> None:
    peer = Peer({READY: [(503, {"status": "error"}), (503, {"status": "error"}), (200, {"status": "ok"})]})

    reported = await brought_up(engine, launch, peer)

    assert reported[0] == EngineReady(launch_id=launch.launch_id, inner_id=ID)


async def test_another_program_on_the_socket_is_a_stranger(engine: OpenwaEngine, launch: Launch) -> None:
    with pytest.raises(EngineError, match=f"the socket {launch.socket} is answered by a stranger"):
        await brought_up(engine, launch, Peer({READY: [(404, "not found")]}))


async def test_a_session_it_does_not_know_is_made_with_its_proxy(engine: OpenwaEngine, launch: Launch) -> None:
    peer = Peer({"GET /api/sessions": [(200, [])], "POST /api/sessions": [(201, ROW)]})

    await brought_up(engine, launch, peer)

    assert peer.bodies("POST /api/sessions") == [{"name": ROW["name"]}]


async def test_one_webhook_is_made_with_the_secret_of_the_launch(engine: OpenwaEngine, launch: Launch) -> None:
    peer = Peer()

    await brought_up(engine, launch, peer)

    url = f"http://{intake_name(launch)}:2791/hooks/{SESSION.session_id}/{launch.launch_id}"
    assert peer.bodies(f"POST {HOOKS}") == [{"url": url, "secret": launch.secret, "retryCount": 5, "events": ["*"]}]


async def test_a_version_that_refuses_the_wildcard_gets_the_names_it_knows(
    engine: OpenwaEngine, launch: Launch
) -> None:
    peer = Peer({f"POST {HOOKS}": [(400, {"message": "events"}), (201, {})]})

    await brought_up(engine, launch, peer)

    _, accepted = peer.bodies(f"POST {HOOKS}")
    assert isinstance(accepted, Mapping)
    assert "session.status" in str(accepted["events"])


async def test_a_webhook_that_is_refused_is_an_error_with_its_reason(engine: OpenwaEngine, launch: Launch) -> None:
    refusal: Json = {"message": "Destination address is not allowed", "statusCode": 400}

    with pytest.raises(EngineError, match="webhooks with 400: Destination address is not allowed"):
        await brought_up(engine, launch, Peer({f"POST {HOOKS}": [(400, refusal)]}))


async def test_an_engine_that_is_loaded_is_not_started_again(engine: OpenwaEngine, launch: Launch) -> None:
    peer = Peer(row={**ROW, "status": "disconnected", "engineLoaded": True})

    await brought_up(engine, launch, peer)

    assert START not in [call for call, _ in peer.calls]


@pytest.mark.parametrize("word", ["started", "starting"])
async def test_a_start_that_came_too_late_is_fine(engine: OpenwaEngine, launch: Launch, word: str) -> None:
    reported = await brought_up(engine, launch, Peer({START: [(400, {"message": f"Session is already {word}"})]}))

    assert isinstance(reported[0], EngineReady)


@pytest.mark.parametrize(
    ("status", "message", "text"),
    [(409, "teardown pending", "teardown pending"), (400, ["a", "b"], "a; b"), (403, None, "no")],
)
async def test_a_refused_start_is_an_error(
    engine: OpenwaEngine, launch: Launch, status: int, message: Json, text: str
) -> None:
    with pytest.raises(EngineError, match=f"start with {status}: {text}"):
        await brought_up(engine, launch, Peer({START: [(status, {"message": message})]}))


@pytest.mark.parametrize("status", [500, 504])
async def test_a_start_that_fails_is_told_by_the_record(engine: OpenwaEngine, launch: Launch, status: int) -> None:
    failed = {**ROW, "status": "failed", "lastError": "Failed to launch the browser process"}

    reported = await brought_up(engine, launch, Peer({START: [(status, {})], RECORD: [(200, failed)]}))

    assert isinstance(reported[0], EngineReady)
    assert link_in(reported) is LinkReport.FAILED


async def test_a_start_that_blocks_does_not_keep_the_engine_from_being_ready(
    engine: OpenwaEngine, launch: Launch
) -> None:
    peer, ready = Peer(held_call=START), asyncio.Event()
    reported: list[Observation] = []

    def report(observation: Observation) -> None:
        reported.append(observation)
        ready.set()

    async with serving(peer, launch), asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        tasks.create_task(engine.bring_up(SESSION, launch, report))
        await ready.wait()
        assert reported == [EngineReady(launch_id=launch.launch_id, inner_id=ID)]
        peer.hold.set()

    assert len(reported) == 2


async def test_an_engine_that_dies_during_its_start_is_an_error(engine: OpenwaEngine, launch: Launch) -> None:
    async with asyncio.timeout(20), serving(Peer(held_call=START), launch) as peer:
        async with asyncio.TaskGroup() as tasks:
            call = tasks.create_task(outcome(engine, launch))
            await peer.is_holding.wait()
            await engine.release(SESSION, launch)

        assert "did not answer POST" in str(call.result())


async def outcome(engine: OpenwaEngine, launch: Launch) -> EngineError | None:
    try:
        await engine.bring_up(SESSION, launch, lambda _: None)
    except EngineError as error:
        return error
    return None


async def test_an_answer_that_is_no_session_is_an_error(engine: OpenwaEngine, launch: Launch) -> None:
    with pytest.raises(EngineError, match="something else than expected"):
        await brought_up(engine, launch, Peer({"GET /api/sessions": [(200, "<html>")]}))


async def test_a_code_is_of_worth_only_while_the_session_waits_for_a_scan(engine: OpenwaEngine, launch: Launch) -> None:
    shown = {"qrCode": "data:image/png;base64," + base64.b64encode(png()).decode(), "status": "initializing"}
    waiting = {**ROW, "status": "qr_ready"}
    session = knowing(SESSION, ID)

    async with serving(
        Peer({QR: [(200, shown), (200, {**shown, "status": "qr_ready"})], RECORD: [(200, waiting)]}), launch
    ):
        scanned = await engine.observe(session, launch)
        open_still = await engine.observe(session, launch)

    assert [type(each) for each in scanned] == [LinkReported]
    assert [type(each) for each in open_still] == [LinkReported, QrProduced]


async def test_a_new_launch_gets_a_line_of_its_own(engine: OpenwaEngine, launch: Launch, tmp_path: Path) -> None:
    session, again = knowing(SESSION, ID), new_launch(free_port(), 2, socket=tmp_path / "s2")
    async with serving(Peer(), launch), serving(Peer(row={**ROW, "status": "ready"}), again):
        await engine.observe(session, launch)
        (report,) = await engine.observe(session, again)
        await engine.release(session, launch)
        (still,) = await engine.observe(session, again)

    assert report == still
    assert isinstance(report, LinkReported)
    assert report.link is LinkReport.CONNECTED


async def test_a_call_that_takes_too_long_is_told_apart_from_one_that_failed(launch: Launch) -> None:
    context = new_context(environ={})
    setup = OpenwaSetup(program=FixedProgram(("true",)), engine_context=context, answer_timeout_s=0.05)

    async with (
        OpenwaEngine(setup, SystemClock(), EngineFiles()) as engine,
        serving(Peer(held_call=RECORD), launch),
    ):
        with pytest.raises(EngineTimeoutError, match=r"within 0\.05 s"):
            await engine.observe(knowing(SESSION, ID), launch)

    async with OpenwaEngine(setup, SystemClock(), EngineFiles()) as engine:
        with pytest.raises(EngineError, match="did not answer") as caught:
            await engine.observe(knowing(SESSION, ID), launch)
    assert not isinstance(caught.value, EngineTimeoutError)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((200, "x" * (3 << 20)), "is longer than 2097152 bytes"),
        ((999, {}), "status 999"),
        ((200, [{**ROW, "id": "../../auth"}]), "something else than expected"),
    ],
)
async def test_an_answer_that_none_could_be_is_an_error(
    engine: OpenwaEngine, launch: Launch, answer: tuple[int, Json], why: str
) -> None:
    with pytest.raises(EngineError, match=why):
        await brought_up(engine, launch, Peer({"GET /api/sessions": [answer]}))


async def test_a_packed_answer_is_not_unpacked(engine: OpenwaEngine, launch: Launch) -> None:
    peer = Peer({RECORD: [(200, ROW)]}, headers={"Content-Encoding": "gzip"})

    async with serving(peer, launch):
        with pytest.raises(EngineError, match="packed"):
            await engine.observe(knowing(SESSION, ID), launch)
