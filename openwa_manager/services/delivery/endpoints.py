"""Adds, changes, tests and removes endpoints, and lets the dispatcher know of it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Literal, TypeVar

from openwa_manager.domain.access.scopes import EVERY_SESSION, SessionScope
from openwa_manager.domain.delivery.delivery import DEFAULT_ENDPOINT, Endpoint, EndpointHealth
from openwa_manager.domain.delivery.events import EndpointId
from openwa_manager.domain.errors import ConflictError, EndpointNotFoundError
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.values import dataclass
from openwa_manager.services.delivery.attempts import DeliveryWorker, EndpointTest
from openwa_manager.services.delivery.background import BackgroundTasks
from openwa_manager.services.delivery.dispatcher import Dispatcher
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.delivery.deliveries import count_pending, make_due
from openwa_manager.store.delivery.endpoints import (
    drop_all_unwanted,
    drop_unwanted,
    forget_deliveries,
    load_endpoint,
    load_endpoints,
    new_endpoint_id,
    remove_endpoint,
    rotate_secret,
    save_endpoint,
)
from openwa_manager.webhooks.signing import check_secret, new_secret

T = TypeVar("T")
#: Raises what a caller is told who may not do something with an endpoint as it is now.
Permit = Callable[[Endpoint], None]

#: Every event is looked at once per endpoint.
ENDPOINTS_MAX = 100
ENDPOINT_NOT_FOUND = "there is no such endpoint (`default` is that of the setting `upstream_url`)"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointPatch:
    """How an endpoint is to be changed; None leaves a field as it is, or as it is by default."""

    url: str | None = None
    events: tuple[str, ...] | None = None
    sessions: tuple[str, ...] | None = None
    secret: str | None = None
    is_active: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointStatus:
    """How an endpoint is: how much waits for it, and how it answers."""

    endpoint: Endpoint
    pending_count: int
    health: EndpointHealth

    @property
    def word(self) -> Literal["ok", "throttled", "down", "paused", "disabled"]:
        """Return it in one word; `disabled` is what we stopped by ourselves, `paused` what a person did."""
        if not self.endpoint.is_active:
            return "paused" if self.endpoint.disabled_reason is None else "disabled"
        if self.health.is_throttled:
            return "throttled"
        return "ok" if self.health.down_since is None else "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRules:
    """What callers may do with endpoints.

    `check_url` raises InvalidInputError for a URL we may not post to. `has_url`, `has_secret` and `has_events` tell
    what of the endpoint `default` the settings name, so that callers cannot change it.
    """

    check_url: Callable[[str], None]
    has_url: bool = False
    has_secret: bool = False
    has_events: bool = False


def anybody(_endpoint: Endpoint) -> None:
    """Permit it whoever asks."""


class Endpoints:
    """Reads and changes the endpoints, and lets the dispatcher know of every change.

    A `permit` is asked about the endpoint as it is when it is read or written, and raises what the caller is told.
    """

    def __init__(
        self,
        database: Database,
        delivery_worker: DeliveryWorker,
        dispatcher: Dispatcher,
        background: BackgroundTasks,
        clock: Clock,
        rules: EndpointRules,
    ) -> None:
        self._database = database
        self._worker = delivery_worker
        self._dispatcher = dispatcher
        self._background = background
        self._clock = clock
        self._rules = rules

    async def list_all(self, scope: SessionScope = EVERY_SESSION) -> list[EndpointStatus]:
        """Return the endpoints that are for sessions in a scope only, oldest first."""
        pending = await self._database.read(count_pending)
        found = await self._database.read(load_endpoints)
        return [self._status(each, pending) for each in found if scope.covers_all(each.sessions)]

    async def which_are_up(self, scope: SessionScope = EVERY_SESSION) -> dict[EndpointId, bool]:
        """Tell of each endpoint that is for sessions in a scope only whether it takes events; paused ones are left out.

        One that has stopped answering, or that asked for nothing more, is not up; one that asked us to wait is.
        """
        found = await self._database.read(load_endpoints)
        shown = [each for each in found if scope.covers_all(each.sessions)]
        words = {each.endpoint_id: self._status(each, {}).word for each in shown}
        return {endpoint_id: word in ("ok", "throttled") for endpoint_id, word in words.items() if word != "paused"}

    async def get(self, endpoint_id: EndpointId, permit: Permit) -> EndpointStatus:
        """Return one endpoint.

        Raises:
            EndpointNotFoundError: there is none of this id.
        """
        endpoint = await self._database.read(partial(_load, endpoint_id=endpoint_id, permit=permit))
        return self._status(endpoint, await self._database.read(count_pending))

    async def add(self, url: str, patch: EndpointPatch) -> Endpoint:
        """Add an endpoint, which gets what happens from now on; without a secret it is given one.

        Raises:
            InvalidInputError: the URL or the secret is not acceptable.
            ConflictError: there are as many as there can be.
        """
        now = self._clock.now().at
        first = Endpoint(endpoint_id=new_endpoint_id(now), url=url, secret=new_secret(), created_at=now, updated_at=now)
        endpoint = self._changed(first, replace(patch, url=url))
        await self._write(partial(_add, endpoint=endpoint))
        return endpoint

    async def change(self, endpoint_id: EndpointId, patch: EndpointPatch, permit: Permit) -> EndpointStatus:
        """Change an endpoint; a new secret signs alone from then on.

        Raises:
            EndpointNotFoundError: there is none of this id.
            InvalidInputError: the URL or the secret is not acceptable.
            ConflictError: what is to change belongs to the settings.
        """
        if endpoint_id == DEFAULT_ENDPOINT:
            self._check_default(patch)

        await self._background.finish(partial(self._change, endpoint_id, patch, permit))
        return await self.get(endpoint_id, anybody)

    async def resume(self, endpoint_id: EndpointId, permit: Permit) -> EndpointStatus:
        """Send an endpoint again, and at once what waits for it: after a pause, a 410 or a long outage.

        Raises:
            EndpointNotFoundError: there is none of this id.
            ConflictError: the settings name no endpoint any more.
        """
        patch = EndpointPatch(is_active=True)
        if endpoint_id == DEFAULT_ENDPOINT:
            self._check_default(patch)

        def resume(connection: Connection) -> None:
            save_endpoint(connection, self._changed(_load(connection, endpoint_id, permit), patch))
            make_due(connection, endpoint_id)

        await self._write(resume)
        return await self.get(endpoint_id, anybody)

    async def remove(self, endpoint_id: EndpointId, permit: Permit) -> None:
        """Remove an endpoint and what waits for it.

        Raises:
            EndpointNotFoundError: there is none of this id.
            ConflictError: it belongs to the settings.
        """
        if endpoint_id == DEFAULT_ENDPOINT and self._rules.has_url:
            raise ConflictError("the settings name this endpoint (upstream_url); pause it, or change them")
        await self._background.finish(partial(self._remove, endpoint_id, permit))

    async def rotate(self, endpoint_id: EndpointId, secret: str | None, permit: Permit) -> Endpoint:
        """Give an endpoint a new secret, made up if None; for a day the old one signs beside it.

        Raises:
            EndpointNotFoundError: there is none of this id.
            InvalidInputError: the secret is not acceptable.
            ConflictError: it belongs to the settings.
        """
        if endpoint_id == DEFAULT_ENDPOINT and self._rules.has_secret:
            raise ConflictError("the settings name this endpoint's secret (upstream_secret); change it there")
        fresh = new_secret() if secret is None else secret
        check_secret(fresh)
        now = self._clock.now().at

        def rotate(connection: Connection) -> Endpoint:
            return rotate_secret(connection, _load(connection, endpoint_id, permit), fresh, now)

        return await self._write(rotate)

    async def test(self, endpoint_id: EndpointId, permit: Permit) -> EndpointTest:
        """Post an `endpoint.test` now, signed as every event is, and return what came of it.

        Raises:
            EndpointNotFoundError: there is none of this id.
        """
        load = partial(_load, endpoint_id=endpoint_id, permit=permit)
        return await self._worker.test(await self._database.read(load))

    async def _write(self, change: Callable[[Connection], T]) -> T:
        """Return what a change returned, once the dispatcher knows of it too, even if the caller hangs up meanwhile."""
        return await self._background.finish(partial(self._write_and_reread, change))

    async def _write_and_reread(self, change: Callable[[Connection], T]) -> T:
        changed = await self._database.write(change)
        self._dispatcher.reread()
        return changed

    async def _change(self, endpoint_id: EndpointId, patch: EndpointPatch, permit: Permit) -> None:
        def change(connection: Connection) -> None:
            changed = self._changed(_load(connection, endpoint_id, permit), patch)
            if is_narrowing:
                drop_all_unwanted(connection, changed, after)
            save_endpoint(connection, changed)

        is_narrowing, after = patch.events is not None or patch.sessions is not None, 0
        if is_narrowing:
            # What waits and is not asked for any more goes first, in parts: whoever may change the endpoint from then
            # on need not be one who may read it.
            coming = self._changed(
                await self._database.read(partial(_load, endpoint_id=endpoint_id, permit=permit)), patch
            )
            while (
                seen := await self._database.write(partial(drop_unwanted, endpoint=coming, after=after))
            ) is not None:
                after = seen
        await self._write_and_reread(change)

    async def _remove(self, endpoint_id: EndpointId, permit: Permit) -> None:
        await self._database.read(partial(_load, endpoint_id=endpoint_id, permit=permit))
        # Its deliveries first and in parts: there may be a million, and others want to write meanwhile. After a crash
        # in between the endpoint is still there, and can be removed once more.
        after: int | None = 0
        while after is not None:
            after = await self._database.write(partial(forget_deliveries, endpoint_id=endpoint_id, after=after))
        await self._write_and_reread(partial(remove_endpoint, endpoint_id=endpoint_id))

    def _check_default(self, patch: EndpointPatch) -> None:
        if patch.url is not None or patch.secret is not None:
            raise ConflictError("URL and secret of this endpoint belong to the settings; change them there")
        if patch.events is not None and self._rules.has_events:
            raise ConflictError("the settings name this endpoint's events (upstream_events); change them there")
        if patch.is_active and not self._rules.has_url:
            raise ConflictError("the settings name no endpoint any more (upstream_url)")

    def _changed(self, endpoint: Endpoint, patch: EndpointPatch) -> Endpoint:
        """Return the endpoint as the patch says; whoever sets `is_active` undoes the reason why it was disabled."""
        if patch.url is not None:
            self._rules.check_url(patch.url)
        if patch.secret is not None:
            check_secret(patch.secret)
            endpoint = replace(endpoint, secret=patch.secret, previous_secret=None, rotated_at=None)
        if patch.is_active is not None:
            endpoint = replace(endpoint, is_active=patch.is_active, disabled_reason=None)
        return replace(
            endpoint,
            url=patch.url or endpoint.url,
            events=patch.events or endpoint.events,
            sessions=patch.sessions or endpoint.sessions,
            updated_at=self._clock.now().at,
        )

    def _status(self, endpoint: Endpoint, pending: Mapping[EndpointId, int]) -> EndpointStatus:
        endpoint_id = endpoint.endpoint_id
        health = self._dispatcher.health_of(endpoint_id)
        return EndpointStatus(endpoint=endpoint, pending_count=pending.get(endpoint_id, 0), health=health)


def _load(connection: Connection, endpoint_id: EndpointId, permit: Permit) -> Endpoint:
    endpoint = load_endpoint(connection, endpoint_id)
    if endpoint is None:
        raise EndpointNotFoundError(ENDPOINT_NOT_FOUND)
    permit(endpoint)
    return endpoint


def _add(connection: Connection, endpoint: Endpoint) -> None:
    if len(load_endpoints(connection)) >= ENDPOINTS_MAX:
        raise ConflictError(f"there are {ENDPOINTS_MAX} endpoints already; remove one first")
    save_endpoint(connection, endpoint)
