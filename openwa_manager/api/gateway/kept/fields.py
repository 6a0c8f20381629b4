"""What OpenWA takes as a webhook or a configuration, checked in its place while it does not run.

The limits are those of its own classes (`webhook.dto.ts`, `filter-validation.ts`, `session-config.dto.ts` of 0.23).
What only a later version may know, an event or a field to filter by, is refused: nobody can tell before it runs.
"""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from openwa_manager.api.gateway.errors import GatewayError
from openwa_manager.api.requests import Body
from openwa_manager.domain.delivery.events import Json
from openwa_manager.engines.versions import EVENTS

#: What filters may look at: the operators, and whether the value is a list of texts, a text or a flag.
_LISTS, _TEXTS, _FLAGS = ("is", "isNot"), ("contains", "equals"), ("is",)
_FILTERS: Mapping[str, tuple[str, ...]] = {
    "sender": _LISTS,
    "recipient": _LISTS,
    "type": _LISTS,
    "mentions": _LISTS,
    "body": _TEXTS,
    "isGroup": _FLAGS,
    "fromMe": _FLAGS,
    "hasMedia": _FLAGS,
}
_TYPES = frozenset(
    {
        *("text", "image", "video", "audio", "voice", "document", "sticker"),
        *("location", "contact", "call", "revoked", "masked", "unknown"),
    }
)
_NUMBER = re.compile(r"-?[0-9]{1,9}")


def _known_event(name: str) -> str:
    if name != "*" and name not in EVENTS:
        raise ValueError(f"{name} is no event that every OpenWA knows; start the session to ask its own")
    return name


_Event = Annotated[str, AfterValidator(_known_event)]
_HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+$")]
#: What HTTP can carry; OpenWA refuses the rest since 0.24, and before could not post it.
_HeaderValue = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e\x80-\xff]*$", max_length=1024)]
_Value = Annotated[str, StringConstraints(min_length=1)]


class _Condition(Body):
    field: str
    operator: str
    value: Annotated[list[_Value], Field(min_length=1, max_length=100)] | Annotated[str, Field(max_length=1000)] | bool
    case_sensitive: bool = Field(default=False, alias="caseSensitive")

    @model_validator(mode="after")
    def _fits(self) -> "_Condition":
        operators = _FILTERS.get(self.field)
        if operators is None:
            raise ValueError(f"{self.field} cannot be filtered by in every OpenWA; start the session to ask its own")
        if self.operator not in operators:
            raise ValueError(f"operator must be one of {', '.join(operators)} for {self.field}")
        value = self.value
        is_right = isinstance(value, list if operators is _LISTS else str if operators is _TEXTS else bool)
        if not is_right or (self.field == "type" and isinstance(value, list) and not _TYPES.issuperset(value)):
            raise ValueError(f"value is not one that {self.field} can have")
        return self


class _Filters(Body):
    conditions: Annotated[list[_Condition], Field(max_length=20)]


class WebhookIn(Body):
    """OpenWA's CreateWebhookDto, but for address and secret, which are checked beside it."""

    url: str
    events: Annotated[list[_Event], Field(min_length=1)] | None = None
    secret: str | None = None
    headers: Annotated[dict[_HeaderName, _HeaderValue], Field(max_length=50)] | None = None
    filters: _Filters | None = None
    retry_count: Annotated[int, Field(ge=0, le=5)] | None = Field(default=None, alias="retryCount")


class WebhookChange(WebhookIn):
    """OpenWA's UpdateWebhookDto."""

    url: str = ""
    active: bool | None = None


class ConfigChange(Body):
    """OpenWA's UpdateSessionConfigDto; null sets one back to its default."""

    auto_reject_calls: bool | None = Field(default=None, alias="autoRejectCalls")
    max_reconnect_attempts: Annotated[int, Field(ge=0, le=20)] | None = Field(
        default=None, alias="maxReconnectAttempts"
    )
    reconnect_base_delay: Annotated[int, Field(ge=1000, le=300_000)] | None = Field(
        default=None, alias="reconnectBaseDelay"
    )


#: The configuration of an OpenWA that was never told otherwise (measured).
CONFIG_DEFAULTS: Mapping[str, Json] = {
    "autoRejectCalls": False,
    "maxReconnectAttempts": None,
    "reconnectBaseDelay": 5000,
}
_LIMITS = {"maxReconnectAttempts": (0, 20), "reconnectBaseDelay": (1000, 300_000)}
_FLAG_NAMES = ("active", "autoRejectCalls")
_NUMBER_NAMES = ("retryCount", *_LIMITS)


def typed(fields: Mapping[str, Json]) -> dict[str, Json]:
    """Return the fields with flags and numbers in place of the texts that spell them, as OpenWA reads them.

    `headers` may be `[]`, as PHP writes an empty table.
    """
    typed_fields = {name: _typed(name, value) if isinstance(value, str) else value for name, value in fields.items()}
    return {**typed_fields, "headers": {}} if fields.get("headers") == [] else typed_fields


def _typed(name: str, text: str) -> Json:
    if name in _FLAG_NAMES:
        return {"true": True, "false": False}.get(text, text)
    return int(text) if name in _NUMBER_NAMES and _NUMBER.fullmatch(text) else text


def config_of(given: Mapping[str, object]) -> dict[str, Json]:
    """Return what OpenWA takes of the `config` of a new session: three values, held within their limits."""
    taken: dict[str, Json] = {"autoRejectCalls": True} if given.get("autoRejectCalls") is True else {}
    for name, (low, high) in _LIMITS.items():
        number = given.get(name)
        if isinstance(number, int) and not isinstance(number, bool):
            taken[name] = max(low, min(number, high))
    return taken


def not_running(what: str) -> GatewayError:
    """Return the refusal of what only a running OpenWA can do."""
    return GatewayError(409, f"{what} while its OpenWA runs only. Start the session first.", code="SESSION_NOT_STARTED")
