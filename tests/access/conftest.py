from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pytest_aiohttp import AiohttpClient

from tests.access.tenants import Tenants, tenants_in
from tests.api.world import World, world_in


@pytest.fixture
async def world(tmp_path: Path, aiohttp_client: AiohttpClient) -> AsyncIterator[World]:
    async with world_in(tmp_path, aiohttp_client) as built:
        yield built


@pytest.fixture
async def tenants(world: World) -> Tenants:
    """Give two sessions with all that there can be of them, in one world."""
    return await tenants_in(world)
