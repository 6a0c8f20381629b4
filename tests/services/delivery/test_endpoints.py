"""What of the settings' own endpoint may be changed when, and what a resumption does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from openwa_manager.domain.access.scopes import scope_of
from openwa_manager.domain.delivery.delivery import DEFAULT_ENDPOINT, Endpoint
from openwa_manager.domain.errors import ConflictError
from openwa_manager.services.delivery.attempts import EnvelopeWriter
from openwa_manager.services.delivery.endpoints import EndpointPatch, EndpointRules, Endpoints, anybody
from openwa_manager.store.database import Database
from openwa_manager.store.delivery.endpoints import DefaultEndpoint, configure_default, disable_endpoint, load_endpoint
from tests.api.delivery.channels import channels_of

WRITER = EnvelopeWriter(host="host-1", qr_image=lambda *_: None)


@asynccontextmanager
async def endpoints_in(
    folder: Path, url: str | None, secret: str | None, events: tuple[str, ...] | None = None
) -> AsyncIterator[tuple[Database, Endpoints]]:
    """Name an endpoint in the settings, then start again with these."""
    async with Database(folder / "manager.db") as database:
        for given in ("https://example.com/first", url):
            named = DefaultEndpoint(url=given, secret=secret, events=events)
            await database.write(partial(configure_default, settings=named, fallback_secret="made up", at=1.0))
        rules = EndpointRules(
            check_url=lambda _: None,
            has_url=url is not None,
            has_secret=secret is not None,
            has_events=events is not None,
        )
        async with channels_of(database, WRITER, rules) as channels:
            yield database, channels.endpoints


async def default_in(database: Database) -> Endpoint | None:
    return await database.read(partial(load_endpoint, endpoint_id=DEFAULT_ENDPOINT))


async def test_a_secret_the_settings_do_not_name_can_be_rotated(tmp_path: Path) -> None:
    async with endpoints_in(tmp_path, "https://example.com", None) as (database, endpoints):
        rotated = await endpoints.rotate(DEFAULT_ENDPOINT, None, anybody)

        assert rotated.previous_secret == "made up"
        assert await default_in(database) == rotated


async def test_an_endpoint_the_settings_name_no_more_can_only_be_removed(tmp_path: Path) -> None:
    async with endpoints_in(tmp_path, None, "s") as (database, endpoints):
        with pytest.raises(ConflictError):
            await endpoints.resume(DEFAULT_ENDPOINT, anybody)
        with pytest.raises(ConflictError):
            await endpoints.change(DEFAULT_ENDPOINT, EndpointPatch(is_active=True), anybody)
        assert (await endpoints.get(DEFAULT_ENDPOINT, anybody)).word == "disabled"

        await endpoints.remove(DEFAULT_ENDPOINT, anybody)

        assert await default_in(database) is None


async def test_events_that_the_settings_name_are_changed_there(tmp_path: Path) -> None:
    async with endpoints_in(tmp_path, "https://example.com", None, ("session.*",)) as (_, endpoints):
        with pytest.raises(ConflictError, match="upstream_events"):
            await endpoints.change(DEFAULT_ENDPOINT, EndpointPatch(events=("*",)), anybody)

        changed = await endpoints.change(DEFAULT_ENDPOINT, EndpointPatch(sessions=("user_1_*",)), anybody)

    assert (changed.endpoint.events, changed.endpoint.sessions) == (("session.*",), ("user_1_*",))


async def test_a_paused_endpoint_is_neither_up_nor_down(tmp_path: Path) -> None:
    async with endpoints_in(tmp_path, "https://example.com", None) as (database, endpoints):
        added = await endpoints.add("https://example.com/2", EndpointPatch(sessions=("own_*",)))
        paused = await endpoints.add("https://example.com/3", EndpointPatch())
        await endpoints.change(paused.endpoint_id, EndpointPatch(is_active=False), anybody)

        every, own = await endpoints.which_are_up(), await endpoints.which_are_up(scope_of(["own_*"]))
        gone = partial(disable_endpoint, endpoint_id=added.endpoint_id, reason="gone", at=2.0)
        await database.write(gone)

        assert every == {DEFAULT_ENDPOINT: True, added.endpoint_id: True}
        assert own == {added.endpoint_id: True}
        assert await endpoints.which_are_up() == {DEFAULT_ENDPOINT: True, added.endpoint_id: False}
