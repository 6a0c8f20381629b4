from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from pytest_aiohttp import AiohttpClient

from openwa_manager.api.app import make_table
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.session.session import SessionId, Status, Usage
from tests.api.world import World, backing_of, world_in

REQUESTS = "openwa_manager_http_requests_total"


async def numbers(world: World) -> dict[tuple[str, ...], float]:
    """Return what is scraped, by name and labels."""
    reply = await world.call("GET", "/metrics")
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("text/plain; version=")
    samples = [sample for family in text_string_to_metric_families(reply.raw.decode()) for sample in family.samples]
    return {(sample.name, *sample.labels.values()): sample.value for sample in samples}


async def test_sessions_commits_and_the_build_are_scraped(world: World) -> None:
    await world.create(session_id="a", wait_for="qr")
    await world.create(session_id="b", desired="stopped")
    world.used[SessionId("a")] = Usage(rss_bytes=1000, cpu_percent=1.5, process_count=1)

    scraped = await numbers(world)

    assert scraped["openwa_manager_sessions", "qr_ready"] == 1
    assert scraped["openwa_manager_sessions", "stopped"] == 1
    assert scraped["openwa_manager_session_rss_bytes", "a"] == 1000
    assert scraped["openwa_manager_commit_seconds_count",] > 1
    assert scraped["openwa_manager_adoption_seconds",] >= 0
    assert scraped["openwa_manager_deliveries_pending",] == 0


async def test_a_drop_of_the_link_and_a_pairing_are_counted(world: World) -> None:
    await world.create(session_id="a", wait_for="qr")
    await world.play("a", "scan")
    await world.sessions.wait("a", lambda session: session.status is Status.CONNECTED, 20)
    await world.requests.stop(SessionId("a"))

    scraped = await numbers(world)

    assert scraped["openwa_manager_link_drops_total", "requested"] == 1
    assert scraped["openwa_manager_paired_total",] == 1
    assert scraped["openwa_manager_pair_seconds_count",] == 1
    assert scraped["openwa_manager_qr_shown_total",] >= 1
    assert scraped["openwa_manager_engine_start_seconds_count",] == 1


async def test_requests_are_counted_by_template_and_never_by_what_callers_write(world: World) -> None:
    await world.create(session_id="a", desired="stopped")
    key = {"X-API-Key": "nobody's"}

    for path in ("/v1/sessions/a", "/v1/sessions/nobody", "/made-up", "/v1/sessions/a/", "/api/sessions/x/made/up"):
        await world.call("GET", path)
    await world.call("HEAD", "/v1/sessions/a")
    await world.call("GET", "/v1/sessions/a", headers=key)
    counted = {each[1:]: value for each, value in (await numbers(world)).items() if each[0] == REQUESTS}

    assert counted == {
        ("POST /v1/sessions", "201"): 1,
        ("GET /v1/sessions/{session_id}", "200"): 3,
        ("GET /v1/sessions/{session_id}", "404"): 1,
        ("GET /v1/sessions/{session_id}", "401"): 1,
        ("none", "404"): 1,
        ("* /api/sessions/{id}/{rest}", "404"): 1,
    }


async def test_no_two_routes_are_counted_as_one(world: World) -> None:
    table = make_table(backing_of(world), world.gateway)

    assert len({each.handler for each in table}) == len(table)


async def test_a_viewers_key_suffices(world: World) -> None:
    reply = await world.call("GET", "/metrics", headers={"X-API-Key": await world.key_of(Role.VIEWER)})

    assert reply.status == 200
    assert b"openwa_manager_http_requests_total" in reply.raw


async def test_metrics_need_a_key(world: World) -> None:
    status, _ = await world.raw(f"GET /metrics HTTP/1.1\nHost: localhost:{world.port}")

    assert status == 401


async def test_verbose_readiness_tells_how_far_the_start_is_but_only_to_those_with_a_key(world: World) -> None:
    await world.create(session_id="a", wait_for="qr")
    await world.create(session_id="b", desired="stopped")

    plain = await world.call("GET", "/readyz")
    verbose = await world.call("GET", "/readyz?verbose")
    status, _ = await world.raw(f"GET /readyz?verbose HTTP/1.1\nHost: localhost:{world.port}")
    misspelt = await world.call("GET", "/readyz?loud")

    assert plain.json == {"status": "ok"}
    assert verbose.json == {
        "status": "ok",
        "sessions": {"total": 2, "adopted": 0, "queued": 0, "booting": 0, "running": 1},
    }
    assert status == 401
    assert misspelt.status == 422


async def test_verbose_readiness_is_503_while_sessions_are_taken_up(
    tmp_path: Path, aiohttp_client: AiohttpClient
) -> None:
    async with world_in(tmp_path, aiohttp_client, takes_up=False) as world:
        verbose = await world.call("GET", "/readyz?verbose")

    assert verbose.status == 503
    assert verbose.json["status"] == "starting"
