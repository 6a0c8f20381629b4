"""The models of what callers give and get about people."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, RootModel, StringConstraints

from openwa_manager.api.messaging.requests import To
from openwa_manager.api.messaging.responses import MessageOut
from openwa_manager.api.requests import Body, Query
from openwa_manager.api.responses import Out, Timestamp
from openwa_manager.domain.messaging.quotas import LIMIT_MAX

REASON_MAX_CHARS = 200
NUMBERS_MAX = 100

Reason = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=REASON_MAX_CHARS)]


class QuotaIn(Body):
    """How many messages a user may send in a calendar month; null: any number."""

    messages_limit: Annotated[int, Field(ge=0, le=LIMIT_MAX)] | None


class QuotaOut(Out):
    """What a user has taken of this month: sent messages, and apart from those what is accepted and not sent yet."""

    messages_limit: int | None
    messages_used_this_month: int
    messages_reserved: int
    resets_at: Timestamp


class SuppressionIn(Body):
    """Who is not to be written to any more: a number or a chat id."""

    to: To
    reason: Reason | None = None


class SuppressionsQuery(Query):
    """How much of the list is wanted; `cursor` is the `next_cursor` of the page before."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None


class SuppressionOut(Out):
    """A name on the list; `to` null: the person was erased, and only a hash is left."""

    to: str | None
    reason: str
    created_at: Timestamp


class SuppressionPage(Out):
    """Some names of the list; `next_cursor` is null on the last page."""

    suppressions: Sequence[SuppressionOut]
    next_cursor: str | None


class RejectedRowOut(Out):
    """A line of a file that names nobody."""

    line: int
    code: str
    detail: str


class ImportOut(Out):
    """What came of a file: how many were put on the list, were on it, and name nobody; `rejected` are the first."""

    added: int
    already: int
    rejected_count: int
    rejected: Sequence[RejectedRowOut]


class CheckIn(Body):
    """Numbers of which it is asked whether they are on WhatsApp."""

    numbers: Annotated[tuple[To, ...], Field(min_length=1, max_length=NUMBERS_MAX)]


class NumberOut(Out):
    """Whether a number is on WhatsApp, and the chat it has there; `exists` null: that could not be asked in time."""

    number: str
    chat_id: str | None
    exists: bool | None
    checked_at: Timestamp | None


class ChecksOut(RootModel[Sequence[NumberOut]]):
    """What is known of each number, in the order in which they were given."""


class KnownInOut(Out):
    """A session through which a person has been written with."""

    session_id: str
    since: Timestamp


class PersonMessageOut(MessageOut):
    """A message to a person; `text` null: it is not kept any more."""

    text: str | None


class PersonOut(Out):
    """All that is kept of one person for a user."""

    names: Sequence[str]
    known_in: Sequence[KnownInOut]
    check: NumberOut | None
    suppression: SuppressionOut | None
    messages: Sequence[PersonMessageOut]


class ErasedOut(Out):
    """How many messages were removed; `in_flight` are just being sent: ask again once they have ended."""

    messages: int
    in_flight: int
