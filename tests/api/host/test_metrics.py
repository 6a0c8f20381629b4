from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from pytest_aiohttp import AiohttpClient

from openwa_manager.domain.session.session import SessionId, Usage
from tests.api.world import World, world_in


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
