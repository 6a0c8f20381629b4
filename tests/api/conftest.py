import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pytest_aiohttp import AiohttpClient

from openwa_manager.engines.program import FixedProgram
from tests.api.world import World, world_in
from tests.fakes import openwa_peer

PEER = FixedProgram((sys.executable, openwa_peer.__file__))


@pytest.fixture
async def world(tmp_path: Path, aiohttp_client: AiohttpClient) -> AsyncIterator[World]:
    async with world_in(tmp_path, aiohttp_client) as built:
        yield built


@pytest.fixture
async def peers(tmp_path: Path, aiohttp_client: AiohttpClient) -> AsyncIterator[World]:
    """Give a world whose engines have vices; the session `acme` runs there."""
    async with world_in(tmp_path, aiohttp_client, program=PEER, silence_s=0.5) as built:
        await built.create(session_id="acme", wait_for="connected")
        yield built
