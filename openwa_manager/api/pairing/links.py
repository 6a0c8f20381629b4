"""Makes pairing links, for callers with a key."""

from contextlib import suppress
from urllib.parse import urlsplit

from aiohttp import web

from openwa_manager.api.access.records import name_in_record
from openwa_manager.api.pairing.requests import PairingLinkIn
from openwa_manager.api.pairing.responses import PairingLinkOut
from openwa_manager.api.routing import Call, Route, json_answer, route
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.errors import InvalidRecipientError, PublicUrlMissingError
from openwa_manager.domain.messaging.recipients import chat_id_of, digits_of
from openwa_manager.domain.times import iso8601
from openwa_manager.domain.values import dataclass
from openwa_manager.services.access.pairing.links import PairingLinks
from openwa_manager.services.access.pairing.visits import PairingVisits

#: Below `public_url`.
PAGES = "/pair/"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairingDependencies:
    """What the routes of pairing links use; `public_url` (no / at its end) None: nobody has said what it is."""

    links: PairingLinks
    visits: PairingVisits
    public_url: str | None

    @property
    def is_secure(self) -> bool:
        """Tell whether browsers reach the pages by HTTPS."""
        return self.public_url is not None and urlsplit(self.public_url).scheme.lower() == "https"


class PairingLinkRoutes:
    """`/v1/sessions/{session_id}/pairing-links`."""

    def __init__(self, dependencies: PairingDependencies) -> None:
        self._dependencies = dependencies

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        where = "POST /v1/sessions/{session_id}/pairing-links"
        return (
            route(where, Action.CREATE_PAIRING_LINK, self.create, PairingLinkIn, {201: (PairingLinkOut,), 409: ()}),
        )

    async def create(self, call: Call[PairingLinkIn]) -> web.Response:
        """Make a link to a page on which somebody without a key links this session to a phone."""
        session_id, wanted = call.session_id, call.arguments
        links, public_url = self._dependencies.links, self._dependencies.public_url
        number = None if wanted.phone_number is None else number_in(wanted.phone_number)
        links.require_possible(session_id)
        if public_url is None:
            raise PublicUrlMissingError("the setting public_url says under which address the link is reached: set it")
        token, link = await links.create(call.caller, session_id, wanted.ttl_s, number)
        name_in_record(call.request, target=link.link_id)
        answer = PairingLinkOut(url=f"{public_url}{PAGES}{token}", expires_at=iso8601(link.expires_at))
        return json_answer(answer, 201)


def number_in(written: str) -> str:
    """Return the digits of an international number, as people write it.

    Raises:
        InvalidRecipientError: it is none.
    """
    with suppress(InvalidRecipientError):  # it speaks of who is written to
        if "@" not in written and (digits := digits_of(chat_id_of(written))) is not None:
            return digits
    raise InvalidRecipientError(
        "phone_number must be a phone number in international form, the country code first, such as +85251234567"
    )
