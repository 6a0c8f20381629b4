"""Checks a webhook as its caller words it: would OpenWA take it, where does it lead, may he see its events."""

import asyncio
from collections.abc import Mapping

from yarl import URL

from openwa_manager.api.admission import rights
from openwa_manager.api.bodies.uploads import Payload
from openwa_manager.api.gateway.errors import GatewayError
from openwa_manager.api.gateway.kept.asking import encoded, fields_of
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.access.callers import Caller
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.webhooks.address import AddressGuard

_RESOLVED_WITHIN_S = 5.0
#: What of a record a caller gives; the rest are ids and times.
_SHOWN_MAX_BYTES = 15 * 1024
#: OpenWA's limits for a secret, which we check in its place.
_SECRET_MIN, _SECRET_MAX = 16, 255
#: Events that tell of the session, and how far a message came; all others tell who writes, calls, or is in a group.
_OF_SESSIONS = "session."
_OF_DELIVERY = frozenset({"message.ack", "message.failed", "message.receipt"})
_EVENTS = "events"


class WebhookFields:
    """Checks what makes or changes a webhook."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard

    async def checked(
        self, caller: Caller, body: Payload, content_type: str, before: Mapping[str, Json] | None = None
    ) -> dict[str, Json]:
        """Return the body of a call that makes a webhook, or changes the one that was as `before`.

        Raises:
            ForbiddenError: its events tell of chats, before or after, and the caller may not see any.
            GatewayError: it is no object, or names an address we may not post to, or a secret OpenWA would not take.
        """
        fields = fields_of(body, content_type)
        _require_events(caller, fields, before)
        shown = {name: value for name, value in fields.items() if name not in ("secret", "headers")}
        if len(encoded(shown)) > _SHOWN_MAX_BYTES:
            raise GatewayError(
                400, [f"url, events and filters must not be longer than {_SHOWN_MAX_BYTES} bytes together"]
            )
        _require_secret(fields.get("secret"))
        url = fields.get("url")
        if isinstance(url, str):
            await self._require_reachable(url)
        return fields

    async def _require_reachable(self, url: str) -> None:
        try:
            self._guard.check_url(url)
            parsed_url = URL(url)
            async with asyncio.timeout(_RESOLVED_WITHIN_S):
                await self._guard.resolve(parsed_url.host or "", parsed_url.port or 0)
        except (InvalidInputError, OSError) as error:  # a time-out is an OSError too
            raise GatewayError(400, "Destination address is not allowed", detail=str(error)) from error


def _require_events(caller: Caller, fields: Mapping[str, Json], before: Mapping[str, Json] | None) -> None:
    """Return if the caller may have all that the webhook posts.

    One whose events tell of chats is not changed without that right either: its address is where they go.
    """
    lists = [] if before is None else [before.get(_EVENTS)]
    if before is None or _EVENTS in fields:
        lists.append(fields.get(_EVENTS))  # OpenWA posts received messages when there are none
    if any(map(_tells_of_chats, lists)):
        rights.require(caller, Action.READ_CHATS)


def _tells_of_chats(events: Json) -> bool:
    return not isinstance(events, list) or not events or not all(map(_is_harmless, events))


def _is_harmless(event: Json) -> bool:
    return isinstance(event, str) and (event.startswith(_OF_SESSIONS) or event in _OF_DELIVERY)


def _require_secret(secret: Json) -> None:
    if not (secret is None or (isinstance(secret, str) and len(secret) <= _SECRET_MAX)):
        raise GatewayError(400, [f"secret must be shorter than or equal to {_SECRET_MAX} characters"])
    if secret and len(str(secret)) < _SECRET_MIN:
        raise GatewayError(400, [f"secret must be longer than or equal to {_SECRET_MIN} characters"])
