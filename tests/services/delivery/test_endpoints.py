"""What of the settings' own endpoint may be changed when, and what a resumption does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.delivery import DEFAULT_ENDPOINT, Endpoint
from openwa_manager.domain.errors import ConflictError
from openwa_manager.services.delivery.attempts import EnvelopeWriter
from openwa_manager.services.delivery.endpoints import EndpointPatch, EndpointRules, Endpoints
from openwa_manager.store.database import Database
from openwa_manager.store.delivery.endpoints import configure_default, load_endpoint
from tests.api.delivery.channels import channels_of

WRITER = EnvelopeWriter(host="host-1", qr_image=lambda *_: None)


@asynccontextmanager
async def endpoints_in(folder: Path, url: str | None, secret: str | None) -> AsyncIterator[tuple[Database, Endpoints]]:
    """Name an endpoint in the settings, then start again with these."""
    async with Database(folder / "manager.db") as database:
        for given in ("https://example.com/first", url):
            default = partial(configure_default, url=given, secret=secret, fallback_secret="made up", at=1.0)
            await database.write(default)
        rules = EndpointRules(check_url=lambda _: None, has_url=url is not None, has_secret=secret is not None)
        async with channels_of(database, WRITER, rules) as channels:
            yield database, channels.endpoints


async def default_in(database: Database) -> Endpoint | None:
    return await database.read(partial(load_endpoint, endpoint_id=DEFAULT_ENDPOINT))


async def test_a_secret_the_settings_do_not_name_can_be_rotated(tmp_path: Path) -> None:
    async with endpoints_in(tmp_path, "https://example.com", None) as (database, endpoints):
        rotated = await endpoints.rotate(DEFAULT_ENDPOINT, None)

        assert rotated.previous_secret == "made up"
        assert await default_in(database) == rotated


async def test_an_endpoint_the_settings_name_no_more_can_only_be_removed(tmp_path: Path) -> None:
    async with endpoints_in(tmp_path, None, "s") as (database, endpoints):
        with pytest.raises(ConflictError):
            await endpoints.resume(DEFAULT_ENDPOINT)
        with pytest.raises(ConflictError):
            await endpoints.change(DEFAULT_ENDPOINT, EndpointPatch(is_active=True))
        assert (await endpoints.get(DEFAULT_ENDPOINT)).word == "disabled"

        await endpoints.remove(DEFAULT_ENDPOINT)

        assert await default_in(database) is None
