"""With its disk full the daemon reads, stops and lives; it loses nothing, harms nobody and recovers by itself."""

import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import CopyFailedError
from openwa_manager.store.database import Database
from openwa_manager.store.migrations import migrate, shipped
from tests.e2e.peers.daemon import SCANNED, Daemon, engines_below, eventually
from tests.e2e.peers.upstream import Upstream
from tests.fakes.small_disk import fill

SIZE_MB = 24


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of a few megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    options = f"size={SIZE_MB}m,mode=700"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], check=False, capture_output=True, timeout=30
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True, timeout=30)


@pytest.fixture
def serve_on(small_disk: Path) -> Iterator[Callable[..., Daemon]]:
    with ExitStack() as stack:

        def start(**fields: object) -> Daemon:
            return stack.enter_context(Daemon(home=small_disk / "home", **fields))  # type: ignore[arg-type]

        yield start


def numbers_of(events: list[dict[str, Json]]) -> list[Json]:
    return [event["seq"] for event in events if event["seq"] is not None]


NAMES = ("kept", "stopped", "killed")


def crowded(serve_on: Callable[..., Daemon], disk: Path, upstream: Upstream) -> tuple[Daemon, dict[str, int]]:
    """Return a daemon with connected sessions on a disk that is full, and its registry."""
    quick = {"PROBE_PERIOD_S": "0.3", "HEARTBEAT_S": "0.3"}
    daemon = serve_on(engine_env=SCANNED, settings={**upstream.settings, **quick})
    for name in NAMES:
        daemon.create(name)
        daemon.until(name, "connected")
    before = daemon.registry()
    fill(disk)
    return daemon, before


def test_with_a_full_disk_it_reads_and_stops_and_refuses_to_write(
    serve_on: Callable[..., Daemon], small_disk: Path, upstream: Upstream
) -> None:
    daemon, before = crowded(serve_on, small_disk, upstream)

    live = daemon.ask("GET", "/livez")
    read = daemon.ask("GET", "/v1/sessions/kept/why")
    created = daemon.ask("POST", "/v1/sessions", {"session_id": "new"})
    changed = daemon.ask("PATCH", "/v1/sessions/kept", {"labels": {"a": "b"}})
    stopped = daemon.ask("POST", "/v1/sessions/stopped/stop?wait=20")
    beats = len(upstream.of("kept", "session.heartbeat"))
    eventually(lambda: len(upstream.of("kept", "session.heartbeat")) > beats)
    kept = daemon.session("kept").body

    assert (live.status, read.status) == (200, 200)
    assert (created.status, created.body["code"]) == (507, "storage_full")
    assert (changed.status, changed.body["code"]) == (507, "storage_full")
    assert (stopped.status, stopped.body["status"]) == (202, "stopped")
    assert (kept["status"], kept["pid"]) == ("connected", before["kept"])
    assert daemon.ask("GET", "/v1/sessions/new").status == 404


def test_with_room_again_everything_that_happened_meanwhile_is_told_and_nothing_was_lost(
    serve_on: Callable[..., Daemon], small_disk: Path, upstream: Upstream
) -> None:
    daemon, before = crowded(serve_on, small_disk, upstream)
    daemon.ask("POST", "/v1/sessions/stopped/stop?wait=20")
    os.kill(before["killed"], signal.SIGKILL)
    eventually(lambda: daemon.session("killed").body["status"] != "connected")

    (small_disk / "filler").unlink()
    daemon.until("killed", "connected", within_s=30)
    assert daemon.ask("POST", "/v1/sessions", {"session_id": "new"}).status == 201
    daemon.until("new", "connected")
    daemon.kill()
    daemon.start()

    assert daemon.session("stopped").body["status"] == "stopped"
    assert daemon.registry()["kept"] == before["kept"]
    assert len(engines_below(daemon.home)) == 3
    eventually(lambda: upstream.of("stopped", "session.stopped"))
    eventually(lambda: upstream.of("killed", "session.restarted"))
    assert upstream.of("killed", "session.crashed")
    for name in NAMES:
        told = numbers_of(upstream.of(name))
        assert told == list(range(1, len(told) + 1)), name


def test_with_a_full_disk_a_session_is_deleted_for_good(
    serve_on: Callable[..., Daemon], small_disk: Path, upstream: Upstream
) -> None:
    daemon, _ = crowded(serve_on, small_disk, upstream)

    kept = daemon.ask("DELETE", "/v1/sessions/kept?keep_data=true")
    removed = daemon.ask("DELETE", "/v1/sessions/stopped")
    killed = daemon.ask("POST", "/api/sessions/killed/force-kill")

    assert (kept.status, removed.status, killed.status) == (204, 204, 200), killed.raw
    eventually(lambda: engines_below(daemon.home) == [])
    (small_disk / "filler").unlink()
    daemon.kill()
    daemon.start()
    assert [daemon.ask("GET", f"/v1/sessions/{name}").status for name in ("kept", "stopped")] == [404, 404]
    assert daemon.session("killed").body["status"] == "stopped"
    assert (daemon.home / "sessions" / "kept").is_dir()
    assert not (daemon.home / "sessions" / "stopped").exists()


def test_a_daemon_starts_on_a_full_disk_and_adopts(
    serve_on: Callable[..., Daemon], small_disk: Path, upstream: Upstream
) -> None:
    daemon, before = crowded(serve_on, small_disk, upstream)

    daemon.kill()
    fill(small_disk)
    daemon.start()

    assert daemon.registry() == before
    assert daemon.session("kept").body["status"] == "connected"
    (small_disk / "filler").unlink()


async def test_without_room_for_a_copy_the_tables_of_an_older_version_stay_as_they_are(small_disk: Path) -> None:
    path, copies = small_disk / "manager.db", small_disk / "copies"
    copies.mkdir()
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        migrate(connection, shipped()[:1])
    before = path.read_bytes()
    fill(small_disk)
    os.truncate(small_disk / "filler", (small_disk / "filler").stat().st_size - 65_536)  # for SQLite's own files

    with pytest.raises(CopyFailedError, match=r"before 0002_outbox.sql changes it, and cannot be .*full"):
        await Database(path, copies).open()

    assert path.read_bytes() == before
    assert list(copies.iterdir()) == []
