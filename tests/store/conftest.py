from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from openwa_manager.store.database import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database(tmp_path / "manager.db") as opened:
        yield opened
