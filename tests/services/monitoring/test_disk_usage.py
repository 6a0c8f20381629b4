import asyncio
from pathlib import Path

from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.services.monitoring.disk_usage import DiskUsage
from tests.domain.session.driver import a_session
from tests.fakes.clock import FakeClock


async def test_the_disk_of_every_session_is_measured_at_once_and_every_ten_minutes(tmp_path: Path) -> None:
    clock, session = FakeClock(), a_session()
    directory = tmp_path / session.session_id
    directory.mkdir()
    disk_usage = DiskUsage(clock, lambda: [session], tmp_path, EngineFiles())
    before = disk_usage.used_bytes(session.session_id)

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(disk_usage.run())
        await clock.until_sleeping()
        empty = disk_usage.used_bytes(session.session_id)
        (directory / "grown").write_bytes(b"x" * 500_000)
        await clock.advance(601)
        await clock.until_sleeping()
        grown = disk_usage.used_bytes(session.session_id)
        running.cancel()

    assert before is None
    assert empty is not None
    assert grown is not None
    assert grown - empty >= 500_000
