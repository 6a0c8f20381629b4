"""What a caller hands over: a message, or many of them at once, before anybody has looked at it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field

from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.messaging.messages import Body, Kind, Priority, SendRoute
from openwa_manager.domain.messaging.templates import CAPTION_MAX_CHARS, TEXT_MAX_CHARS, text_problem
from openwa_manager.domain.messaging.windows import Window
from openwa_manager.domain.values import dataclass
from openwa_manager.services.messaging.acceptance.answers import BulkAnswer
from openwa_manager.store.messaging.idempotency import KeyScope

#: How far ahead a message may be planned: a year, and a day for leap years.
AHEAD_MAX_S = 367 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A message that a caller wants sent; times are wall time, None where he has not said any."""

    to: str
    body: Body
    reference: str | None = None
    send_after: float | None = None
    expires_at: float | None = None
    priority: Priority = Priority.NORMAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """One recipient of a batch in which all get the same, with their variables filled in."""

    to: str
    variables: Mapping[str, str] = field(default_factory=dict)
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkDraft:
    """Many messages at once: either whole ones, or one body for all `addressees`, whose texts have variables.

    `window`, `send_after`, `expires_at`, `stops_on_error` and `gap_min_s` are for all of them (BatchTerms); a message
    may say its own times. By the route of the gateway the batch belongs to OpenWA's callers: what is not taken of it is
    a message that has failed, and `name` is one that no other batch of the session has.
    """

    drafts: Sequence[Draft] = ()
    body: Body | None = None
    addressees: Sequence[Addressee] = ()
    name: str | None = None
    window: Window | None = None
    send_after: float | None = None
    expires_at: float | None = None
    route: SendRoute = SendRoute.API
    stops_on_error: bool = False
    gap_min_s: float = 0.0

    @property
    def entries(self) -> "Sequence[Draft | Addressee]":
        """Return what there is to send, in the order of the request."""
        return self.drafts if self.body is None else self.addressees


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What makes a call the same as one before: the caller's key (None: it gave none), and the hash of its body.

    `scope` tells keys of different callers apart; `write` makes the answer to a batch, as it is kept with the key.
    """

    key: str | None
    body_sha256: str
    scope: KeyScope = KeyScope.API
    write: Callable[[BulkAnswer], bytes] = BulkAnswer.to_json


def text_limit(kind: Kind) -> int:
    """Return how many characters a text, or a caption, may have."""
    return TEXT_MAX_CHARS if kind is Kind.TEXT else CAPTION_MAX_CHARS


def require_texts(body: Body) -> None:
    """Accept a body whose texts may be sent as they are.

    Raises:
        InvalidInputError: one is empty or too long.
    """
    for name, text, limit in texts_of(body):
        problem = text_problem(text, limit)
        if problem is not None:
            raise InvalidInputError(name, problem)


def texts_of(body: Body) -> Iterator[tuple[str, str, int]]:
    """Go through the texts of a body: what each is called, what it says, and how long it may be."""
    if body.kind is Kind.TEXT or body.text:
        yield "text" if body.kind is Kind.TEXT else "caption", body.text, text_limit(body.kind)
    if body.fallback_text is not None:
        yield "fallback_text", body.fallback_text, TEXT_MAX_CHARS
