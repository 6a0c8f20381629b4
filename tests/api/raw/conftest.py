from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from openwa_manager.api.connections.limits import ConnectionLimits
from openwa_manager.api.gateway.kept.webhook_posts import WebhookRelay
from openwa_manager.api.intake import intake_app
from openwa_manager.api.listeners import ListenAddresses, listen
from tests.api.raw.lines import Target
from tests.api.world import World, control_of
from tests.fakes.ports import free_ports


@pytest.fixture
async def target(world: World, tmp_path: Path) -> AsyncIterator[Target]:
    """Open the daemon's own listeners before a world."""
    port, intake_port = free_ports(2)
    relay = WebhookRelay(world.sessions, world.database, world.channels.sender)
    intake = intake_app(world.sessions, world.inbox, world.channels.room, relay)
    places = ListenAddresses(
        control=("127.0.0.1", port), intake=("127.0.0.1", intake_port), socket=tmp_path / "raw.sock"
    )
    async with AsyncExitStack() as stack:
        await listen(places, control_of(world), intake, stack, ConnectionLimits())
        yield Target(port=port, intake_port=intake_port, key=world.key)
