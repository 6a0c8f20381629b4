"""The models of what callers give and get about API keys."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints

from openwa_manager.api.requests import PATTERN_WORDS, Body, SessionPattern
from openwa_manager.api.responses import Out, Timestamp
from openwa_manager.domain.access.keys import OVERLAP_MAX_S
from openwa_manager.domain.access.roles import Role

#: No control characters, none that turn the direction of writing or break lines, no space at the beginning.
KEY_NAME_TEXT = (
    r"^[^\x00-\x20\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
    r"[^\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]{0,99}$"
)
PATTERN_WORDS[KEY_NAME_TEXT] = "must have 1 to 100 printable characters, the first no space"

_Name = Annotated[str, StringConstraints(pattern=KEY_NAME_TEXT)]
_Patterns = Annotated[tuple[SessionPattern, ...], Field(min_length=1, max_length=100)]
#: An address or a network; the longest are those of IPv6 with an IPv4 address in them.
_Networks = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f:.]{2,45}(/[0-9]{1,3})?$")], ...], Field(max_length=100)
]
#: What one process can answer lies below; a slower key would be none.
_Rate = Annotated[float, Field(ge=0.01, le=10_000, allow_inf_nan=False)]
_Burst = Annotated[float, Field(ge=1, le=100_000, allow_inf_nan=False)]


class KeyIn(Body):
    """What a new key is to allow; `sessions` are those of the caller's own key unless given.

    `allowed_ips` empty: from anywhere; `rate_per_s` and `rate_burst` null: as the settings say.
    """

    name: _Name
    role: Role
    sessions: _Patterns | None = None
    qr: bool = False
    chats: bool = False
    allowed_ips: _Networks = ()
    rate_per_s: _Rate | None = None
    rate_burst: _Burst | None = None
    expires_at: Annotated[AwareDatetime, Field(description="A time to come.")] | None = None
    disabled: bool = False


class KeyChange(Body):
    """What is to change; null leaves it as it is, but takes a rate or an end away."""

    name: _Name | None = None
    role: Role | None = None
    sessions: _Patterns | None = None
    qr: bool | None = None
    chats: bool | None = None
    allowed_ips: _Networks | None = None
    rate_per_s: _Rate | None = None
    rate_burst: _Burst | None = None
    expires_at: AwareDatetime | None = None
    disabled: bool | None = None


class KeyRotationIn(Body):
    """How long the key's text until now holds beside the new one; 0: not at all."""

    overlap_s: Annotated[float, Field(ge=0, le=OVERLAP_MAX_S, allow_inf_nan=False)] = 0.0


class KeyOut(Out):
    """An API key, without its text; `previous_until`: until then the text before the last rotation holds too.

    `created_by` is the id of the key that made it, or what its maker is called who had none. `last_used_at` is at most
    five minutes older than the last use.
    """

    id: str
    name: str
    role: Role
    sessions: Sequence[str]
    qr: bool
    chats: bool
    allowed_ips: Sequence[str]
    rate_per_s: float | None
    rate_burst: float | None
    expires_at: Timestamp | None
    disabled: bool
    created_at: Timestamp
    created_by: str
    last_used_at: Timestamp | None
    previous_until: Timestamp | None


class NewKeyOut(KeyOut):
    """An API key with its text, which is shown this once."""

    key: str


class KeysOut(Out):
    """The API keys that allow no more than the caller's own, oldest first."""

    keys: Sequence[KeyOut]
