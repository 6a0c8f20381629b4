from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pytest_aiohttp import AiohttpClient

from tests.api.world import World, world_in
from tests.e2e.conftest import serve

__all__ = ["serve"]


@pytest.fixture
async def world(tmp_path: Path, aiohttp_client: AiohttpClient) -> AsyncIterator[World]:
    async with world_in(tmp_path, aiohttp_client) as built:
        yield built
