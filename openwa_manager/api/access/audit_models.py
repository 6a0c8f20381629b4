"""The models of what callers give and get about the audit."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field, StringConstraints

from openwa_manager.api.requests import Query
from openwa_manager.api.responses import Out, Timestamp

_Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
#: A SHA-256 as it is told.
_Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class AuditQuery(Query):
    """Which rows are wanted: those behind position `after`, or the newest `tail`.

    `actor` is the name of a caller or the id of a key.
    """

    after: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    tail: Annotated[int, Field(ge=1, le=1000)] | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    actor: _Text | None = None
    action: _Text | None = None
    session_id: _Text | None = None


class AuditCheckQuery(Query):
    """`head` is a hash that was told earlier: by `manager.started`, `audit.head` or a row."""

    reads_much = True  # every row of a year

    head: _Hash | None = None


class AuditEntryOut(Out):
    """One thing that was done or tried.

    `result` is `accepted`, `refused` or `failed`. `address` null: by the unix socket, or by the daemon itself. `detail`
    may have `status` (of the answer) and `count` (how often it was so within a minute). `hash` covers the row and the
    hash of the one before it.
    """

    seq: int
    at: Timestamp
    actor: str
    key_id: str | None
    action: str
    session_id: str | None
    target: str | None
    address: str | None
    request_id: str | None
    result: str
    detail: Mapping[str, object]
    hash: str


class AuditPage(Out):
    """Some rows, oldest first; `next_after` is what `after` must be to get those that follow.

    `head` is the hash of the newest row there is; null for callers who are limited to sessions.
    """

    entries: Sequence[AuditEntryOut]
    next_after: int
    head: str | None


class AuditFaultOut(Out):
    """What is wrong with some rows: `missing`, `changed` or `added`."""

    kind: str
    first_seq: int
    last_seq: int
    detail: str


class AuditCheckOut(Out):
    """What a check of all rows found; `head_known` null: no hash was asked for."""

    intact: bool
    row_count: int
    last_seq: int
    head_known: bool | None
    faults: Sequence[AuditFaultOut]
