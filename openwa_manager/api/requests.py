"""The models of what callers give: JSON bodies and query parameters."""

import codecs
import re
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, StringConstraints

from openwa_manager.domain.access.scopes import PATTERN_TEXT
from openwa_manager.domain.builds.builds import BUILD_NAME_PATTERN
from openwa_manager.domain.delivery.delivery import DeliveryState
from openwa_manager.domain.delivery.events import EVENT_PATTERN, EVENT_PATTERNS_MAX
from openwa_manager.domain.session.session import SESSION_ID_PATTERN, Desired, Status

WAIT_MAX_S = 60.0
#: How large a body may be unless its model says otherwise.
BODY_MAX_BYTES = 64 * 1024

SESSION_ID_TEXT = f"^{SESSION_ID_PATTERN}$"
#: Text that a C string can hold, as environments and URLs must.
NO_ZERO_TEXT = r"^[^\x00]*$"
#: A name that somebody gave.
NAME_TEXT = r"^[^\x00-\x1f\x7f]{1,128}$"
WEB_URL_TEXT = r"^[Hh][Tt][Tt][Pp][Ss]?://[^\x00-\x20\x7f]+$"
#: The sessions that an endpoint is for.
SESSION_PATTERN_TEXT = f"^{PATTERN_TEXT}$"
PHONE_TEXT = r"^\+?[0-9][0-9 -]{4,24}[0-9]$"
BUILD_NAME_TEXT = f"^{BUILD_NAME_PATTERN}$"
#: What a refusal says instead of a pattern.
PATTERN_WORDS = {
    SESSION_ID_TEXT: "must have 1 to 63 characters: a to z, 0 to 9, _ and -, the first a letter or digit",
    NO_ZERO_TEXT: "must not have a character zero",
    NAME_TEXT: "must have 1 to 128 characters, no control characters",
    SESSION_PATTERN_TEXT: "must be a session's id, or its beginning up to a _ or - and a *, or * alone",
    WEB_URL_TEXT: "must begin with http:// or https:// and have no spaces",
    BUILD_NAME_TEXT: "must have 1 to 63 characters: a to z, 0 to 9, . _ -, the first a letter or digit",
    PHONE_TEXT: "must be a phone number in international form, the country code first, such as +85251234567",
}

_SessionId = Annotated[str, StringConstraints(pattern=SESSION_ID_TEXT)]
_Text = Annotated[str, StringConstraints(pattern=NO_ZERO_TEXT, max_length=8192)]
_UserId = Annotated[str, StringConstraints(pattern=NAME_TEXT)]
_LabelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$")]
_LabelValue = Annotated[str, StringConstraints(pattern=NO_ZERO_TEXT, max_length=256)]
#: PHP knows no other way to write an empty table; every table of a body takes it.
EmptyList = BeforeValidator(lambda value: {} if value == [] else value)
_DATE = re.compile(r"\d{4}-")


def _no_number(value: object) -> object:
    """Return what may be a time; pydantic takes a number in a text for seconds, which no description of ours says."""
    if isinstance(value, str) and _DATE.match(value) is None:
        raise ValueError("must be a time with a zone, as in 2026-11-22T07:22:04Z")
    return value


_QueryTime = Annotated[AwareDatetime, BeforeValidator(_no_number)]
_Labels = Annotated[dict[_LabelName, _LabelValue], Field(max_length=64), EmptyList]
_Env = Annotated[
    dict[str, _Text],
    Field(max_length=128, description="Variables that the engine lets a session set, by their names."),
    EmptyList,
]
_ProxyUrl = Annotated[_Text, StringConstraints(pattern=r"^(https?|socks[45]h?)://[^\s/]+/?$")]
_MemoryLimit = Annotated[int, Field(gt=0, lt=2**63)]
_BuildName = Annotated[str, StringConstraints(pattern=BUILD_NAME_TEXT)]
_Wait = Annotated[float, Field(ge=0, le=WAIT_MAX_S, allow_inf_nan=False)]

#: A name, or its beginning and a `*`.
_EventPattern = Annotated[str, StringConstraints(pattern=EVENT_PATTERN)]
SessionPattern = Annotated[str, StringConstraints(pattern=SESSION_PATTERN_TEXT)]
_EventPatterns = Annotated[tuple[_EventPattern, ...], Field(min_length=1, max_length=EVENT_PATTERNS_MAX)]
_SessionPatterns = Annotated[tuple[SessionPattern, ...], Field(min_length=1, max_length=1000)]
_Url = Annotated[
    str,
    StringConstraints(pattern=r"^[^\x00-\x20\x7f]+$", max_length=2048),
    Field(description="`http://…` or `https://…`, without name and password, and no address of a private network."),
]
_Secret = Annotated[
    str,
    StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=512),
    Field(description="Base64 behind `whsec_`, or any text without invisible characters that is not blank."),
]


class RequestModel(BaseModel):
    """What a request gives; with `reads_much` its answer may take longer than others are allowed."""

    reads_much: ClassVar[bool] = False
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Body(RequestModel):
    """What a request gives as a JSON body; an empty table may be written as `[]` (EmptyList).

    `max_bytes` is how large it may be.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    max_bytes: ClassVar[int] = BODY_MAX_BYTES


def one_of(*groups: Sequence[str]) -> dict[str, JsonValue]:
    """Return what says in JSON Schema that all members of exactly one of these groups are given; null gives none."""
    return {"oneOf": [_given(group) for group in groups]}


def any_of(*names: str) -> dict[str, JsonValue]:
    """Return what says in JSON Schema that at least one of these members is given; null gives none."""
    return {"anyOf": [_given((name,)) for name in names]}


def _given(names: Sequence[str]) -> JsonValue:
    return {"required": list(names), "properties": {name: {"not": {"type": "null"}} for name in names}}


def object_text(raw: bytes) -> bytes:
    """Return the JSON object that a body holds, which may be empty, `[]`, or begin with a byte order mark."""
    raw = raw.removeprefix(codecs.BOM_UTF8)
    return b"{}" if not raw or _EMPTY_LIST.fullmatch(raw) else raw


_EMPTY_LIST = re.compile(rb"\s*\[\s*\]\s*")


class Query(RequestModel):
    """What a request gives as query parameters; the names in `repeated` may be given more than once."""

    repeated: ClassVar[frozenset[str]] = frozenset()


class Nothing(Query):
    """No parameters at all."""


class ReadyQuery(Query):
    """How much to tell; `?verbose` alone is enough."""

    verbose: Literal["", "1", "true"] | None = None


class SessionIn(Body):
    """What a new session is to be; null means the same as absent."""

    session_id: _SessionId | None = None
    user_id: _UserId | None = None
    engine: str | None = None
    desired: Desired | None = None
    wait_for: Literal["none", "qr", "connected"] | None = None
    timeout_s: _Wait | None = None
    labels: _Labels | None = None
    env: _Env | None = None
    proxy_url: _ProxyUrl | None = None
    memory_limit_bytes: _MemoryLimit | None = None


class SessionChange(Body):
    """What is to change; `labels` and `env` replace what was there, null takes a proxy, a limit or a pin away.

    `build` pins one that is installed; without it a session runs whichever is the default.
    """

    labels: _Labels = Field(default_factory=dict)
    env: _Env = Field(default_factory=dict)
    proxy_url: _ProxyUrl | None = None
    memory_limit_bytes: _MemoryLimit | None = None
    build: _BuildName | None = None


class StopAllIn(Body):
    """How all sessions are to be stopped."""

    until_start: bool = False


class PairingCodeIn(Body):
    """The phone that is to be linked, in international form."""

    phone_number: Annotated[str, StringConstraints(pattern=PHONE_TEXT)]


class ListQuery(Query):
    """Which sessions are wanted; a session must have every label given, and one of the statuses."""

    repeated = frozenset({"status", "label"})

    status: tuple[Status, ...] = ()
    user_id: str | None = None
    label: tuple[Annotated[str, StringConstraints(pattern=r"^[^:]+:")], ...] = ()
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Annotated[str, Field(description="The `next_cursor` of the page before.")] | None = None


class WaitQuery(Query):
    """How long to wait for the outcome."""

    wait: _Wait = 0.0


class DeleteQuery(Query):
    """What a deletion spares, and whether the phone is unlinked first."""

    keep_data: bool = False
    logout: bool = False


class QrQuery(Query):
    """How long to wait for a code; without `format` the Accept header decides."""

    wait: _Wait = 0.0
    format: Literal["json", "png"] | None = None


class LogQuery(Query):
    """How many of the last lines are wanted, and whether to go on with those to come."""

    tail: Annotated[int, Field(ge=0, le=100_000)] = 200
    follow: bool = False


class TimelineQuery(Query):
    """How many of the newest steps are wanted."""

    limit: Annotated[int, Field(ge=1, le=500)] = 50


class EventsQuery(Query):
    """Which events are wanted: those behind position `after`, from `since` on, or the newest `tail`, of these types.

    Without one of them a page begins with the oldest, and a stream now. A `*` at the end of a type stands for any
    ending.
    """

    repeated = frozenset({"type"})

    after: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    since: Annotated[_QueryTime, Field(description="Not together with `after`.")] | None = None
    tail: Annotated[int, Field(ge=1, le=1000, description="Not together with `after` or `since`.")] | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    type: tuple[str, ...] = ()


class EndpointIn(Body):
    """Whom to tell what; a pattern is a name, or its beginning and a `*`; without `secret` one is made up."""

    url: _Url
    events: _EventPatterns | None = None
    sessions: _SessionPatterns | None = None
    secret: _Secret | None = None
    active: bool = True


class EndpointChange(Body):
    """What is to change; absent and null leave it as it is. A new secret signs alone from now on."""

    url: _Url | None = None
    events: _EventPatterns | None = None
    sessions: _SessionPatterns | None = None
    secret: _Secret | None = None
    active: bool | None = None


class RotationIn(Body):
    """The new secret; one is made up when it is absent."""

    secret: _Secret | None = None


class DoctorQuery(Query):
    """Which sessions to look at, also those that are well; without it the daemon and all that is wrong anywhere."""

    session_id: SessionPattern | None = None


class DeliveriesQuery(Query):
    """Which deliveries are wanted; `cursor` is the `next_cursor` of the page before."""

    state: DeliveryState | None = None
    session_id: str | None = None
    endpoint_id: str | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,18}\.[A-Za-z0-9_]{1,64}$")] | None = None


class ReplayIn(Body):
    """Which deliveries to make once more: those that fit all that is given. `ids` are those of events.

    With `dry_run` they are only counted.
    """

    model_config = ConfigDict(json_schema_extra=any_of("ids", "session_id", "endpoint_id", "since", "until", "state"))

    ids: Annotated[tuple[str, ...], Field(min_length=1, max_length=1_000)] | None = None
    session_id: str | None = None
    endpoint_id: str | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    state: DeliveryState | None = None
    dry_run: bool = False


#: What is asked for with these has limits of its own: it waits for a session, as long as the caller says or it takes.
WAITS_FOR_SESSIONS: frozenset[type[RequestModel]] = frozenset({SessionIn, WaitQuery, DeleteQuery, QrQuery})
