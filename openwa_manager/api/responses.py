"""The models of what callers get."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from openwa_manager.domain.times import iso8601

#: ISO 8601, UTC, milliseconds.
Timestamp = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Out(BaseModel):
    """What we answer."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Problem(Out):
    """What went wrong (RFC 9457).

    `field` names the part of the request that is not acceptable, `resets_at` when a used-up quota begins anew.
    """

    title: str
    status: int
    code: str
    detail: str
    request_id: str
    field: str | None = None
    retry_after_s: int | None = None
    resets_at: Timestamp | None = None


class OpenwaError(Out):
    """What went wrong, as OpenWA words it; some errors have more fields, such as `code` or `retryAfterSeconds`."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    message: str | Sequence[str]
    statusCode: int  # noqa: N815 (OpenWA's name)
    error: str | None = None


def timestamp(at: float | None) -> str | None:
    """Return a time as it is shown; None stays None."""
    return None if at is None else iso8601(at)
