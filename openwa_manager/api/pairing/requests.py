"""The models of what callers and pages give about pairing links."""

from typing import Annotated

from pydantic import Field

from openwa_manager.api.requests import Body
from openwa_manager.domain.access.pairing_links import TTL_MAX_S, TTL_S
from openwa_manager.domain.messaging.recipients import TO_MAX_CHARS

_Number = Annotated[
    str,
    Field(min_length=1, max_length=TO_MAX_CHARS, description="A phone number in international form, as +85212345678."),
]


class PairingLinkIn(Body):
    """How long the link holds, and the only number that may be linked by it (null: any)."""

    ttl_s: Annotated[float, Field(ge=1, le=TTL_MAX_S, allow_inf_nan=False)] = TTL_S
    phone_number: _Number | None = None


class PageCodeIn(Body):
    """The number of the phone that is to be linked; null is for links that know it."""

    phone_number: _Number | None = None
