"""Makes, shows, changes, rotates and revokes API keys; the text of one is shown once, when it is new."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from ipaddress import ip_network
from typing import TypeVar

from aiohttp import web

from openwa_manager.api.access.models import KeyChange, KeyIn, KeyOut, KeyRotationIn, KeysOut, NewKeyOut
from openwa_manager.api.access.records import name_in_record
from openwa_manager.api.lists.pages import Listing, answer_list
from openwa_manager.api.requests import Nothing
from openwa_manager.api.responses import timestamp
from openwa_manager.api.routing import Call, Route, json_answer, json_of, route
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.access.addresses import as_its_clients_say
from openwa_manager.domain.access.audit import TEXT_MAX
from openwa_manager.domain.access.callers import KeyId
from openwa_manager.domain.access.keys import KEYS_MAX, ApiKey, Network
from openwa_manager.domain.access.scopes import scope_of
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.times import iso8601
from openwa_manager.services.access.keys import KeyDraft, Keys, NewKey, new_key_id

T = TypeVar("T")


class KeyRoutes:
    """`/v1/keys…`."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        one = "/v1/keys/{key_id}"
        return (
            route("GET /v1/keys", Action.READ_KEYS, self.list_all, Nothing, {200: (KeysOut,)}),
            route("POST /v1/keys", Action.CREATE_KEY, self.create, KeyIn, {201: (NewKeyOut,), 409: ()}),
            route(f"GET {one}", Action.READ_KEYS, self.show, Nothing, {200: (KeyOut,)}),
            route(f"PATCH {one}", Action.CHANGE_KEY, self.change, KeyChange, {200: (KeyOut,), 409: ()}),
            route(f"DELETE {one}", Action.REVOKE_KEY, self.revoke, Nothing, {204: (None,), 409: ()}),
            route(f"POST {one}/rotate", Action.ROTATE_KEY, self.rotate, KeyRotationIn, {200: (NewKeyOut,)}),
        )

    async def list_all(self, call: Call[Nothing]) -> web.StreamResponse:
        """List the keys that allow no more than the caller's own, oldest first."""
        whole: Listing[ApiKey] = Listing(
            name="keys", encode=lambda each: json_of(_out(each)), limit=KEYS_MAX + 1, max_bytes=None
        )
        return await answer_list(call.request, self._keys.list_for(call.caller), whole)

    async def create(self, call: Call[KeyIn]) -> web.Response:
        """Make a key that allows no more than the caller's own; the answer alone has its text."""
        arguments = call.arguments
        draft = KeyDraft(
            name=arguments.name,
            role=arguments.role,
            scope=None if arguments.sessions is None else scope_of(arguments.sessions),
            has_qr=arguments.qr,
            has_chats=arguments.chats,
            allowed_ips=_networks(arguments.allowed_ips),
            rate_per_s=arguments.rate_per_s,
            rate_burst=arguments.rate_burst,
            expires_at=None if arguments.expires_at is None else arguments.expires_at.timestamp(),
            is_disabled=arguments.disabled,
        )
        key_id = new_key_id()
        name_in_record(call.request, target=key_id, detail=_told(arguments))
        return _with_text(await self._keys.create(call.caller, draft, key_id), 201)

    async def show(self, call: Call[Nothing]) -> web.Response:
        """Show a key."""
        return json_answer(_out(self._keys.get(call.caller, _id_in(call.request))))

    async def change(self, call: Call[KeyChange]) -> web.Response:
        """Change what is given; where a key allows less than before, its open calls are ended within a second."""
        name_in_record(call.request, detail=_told(call.arguments))
        given = call.arguments.allowed_ips
        networks = None if given is None else _networks(given)
        revise = partial(_revised, call.arguments, networks)
        return json_answer(_out(await self._keys.change(call.caller, _id_in(call.request), revise)))

    async def rotate(self, call: Call[KeyRotationIn]) -> web.Response:
        """Give a key a new text; the one until now holds for `overlap_s` more."""
        rotated = await self._keys.rotate(call.caller, _id_in(call.request), call.arguments.overlap_s)
        return _with_text(rotated, 200)

    async def revoke(self, call: Call[Nothing]) -> web.Response:
        """Remove a key; its open calls are ended within a second."""
        await self._keys.revoke(call.caller, _id_in(call.request))
        return web.Response(status=204)


def _told(given: KeyIn | KeyChange) -> dict[str, Json]:
    """Return what the audit tells of a key that is made or changed: what was given, each list as a text."""
    told: dict[str, Json] = given.model_dump(mode="json", exclude_unset=True)
    return {name: ", ".join(map(str, v))[:TEXT_MAX] if isinstance(v, list) else v for name, v in told.items()}


def _id_in(request: web.Request) -> KeyId:
    return KeyId(request.match_info["key_id"])


def _networks(texts: Sequence[str]) -> tuple[Network, ...]:
    try:
        return tuple(dict.fromkeys(as_its_clients_say(ip_network(each)) for each in texts))
    except ValueError as error:
        raise InvalidInputError("allowed_ips", f"must be addresses or networks, as 192.0.2.0/24: {error}") from error


def _revised(given: KeyChange, networks: tuple[Network, ...] | None, key: ApiKey) -> ApiKey:
    revised = replace(
        key,
        name=_or(given.name, key.name),
        role=_or(given.role, key.role),
        scope=key.scope if given.sessions is None else scope_of(given.sessions),
        has_qr=_or(given.qr, key.has_qr),
        has_chats=_or(given.chats, key.has_chats),
        allowed_ips=_or(networks, key.allowed_ips),
        is_disabled=_or(given.disabled, key.is_disabled),
    )
    named = given.model_fields_set
    if "rate_per_s" in named:
        revised = replace(revised, rate_per_s=given.rate_per_s)
    if "rate_burst" in named:
        revised = replace(revised, rate_burst=given.rate_burst)
    if "expires_at" in named:
        revised = replace(revised, expires_at=given.expires_at.timestamp() if given.expires_at else None)
    return revised


def _or(given: T | None, kept: T) -> T:
    return kept if given is None else given


def _with_text(new: NewKey, status: int) -> web.Response:
    return json_answer(NewKeyOut(**dict(_out(new.key)), key=new.text), status)


def _out(key: ApiKey) -> KeyOut:
    return KeyOut(
        id=key.key_id,
        name=key.name,
        role=key.role,
        sessions=key.scope.patterns,
        qr=key.has_qr,
        chats=key.has_chats,
        allowed_ips=[str(each) for each in key.allowed_ips],
        rate_per_s=key.rate_per_s,
        rate_burst=key.rate_burst,
        expires_at=timestamp(key.expires_at),
        disabled=key.is_disabled,
        created_at=iso8601(key.created_at),
        created_by=key.created_by,
        last_used_at=timestamp(key.last_used_at),
        previous_until=timestamp(key.previous_until),
    )
