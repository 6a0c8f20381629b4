"""The models of what callers get about events, endpoints and deliveries."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from openwa_manager.api.responses import Out, Timestamp
from openwa_manager.domain.delivery.delivery import DeliveryState


class EventOut(BaseModel):
    """An event as endpoints get it; what it has beside the common fields depends on its type."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    id: str
    type: str
    event: str
    timestamp: Timestamp
    session_id: str | None
    user_id: str | None
    seq: int | None
    launch: int | None
    host: str


class EventPage(Out):
    """Some events, oldest first; `next_after` is what `after` must be to get those that follow."""

    events: Sequence[EventOut]
    next_after: int


class EndpointOut(Out):
    """An endpoint; `down` means that only probes go there, `disabled` that we stopped by ourselves.

    `throttled`: it asked us to wait (429), and is left alone until `next_probe_at`. `last_status` and `last_error` tell
    of the last attempt since the daemon began; no status: no answer came. `rotated_at`: until a day later the secret
    before that moment signs too.
    """

    endpoint_id: str
    url: str
    events: Sequence[str]
    sessions: Sequence[str]
    active: bool
    status: Literal["ok", "throttled", "down", "paused", "disabled"]
    disabled_reason: str | None
    last_status: int | None
    last_error: str | None
    down_since: Timestamp | None
    next_probe_at: Timestamp | None
    pending_count: int
    rotated_at: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp


class NewEndpointOut(EndpointOut):
    """An endpoint with its secret, which is shown this once."""

    secret: str


class EndpointsOut(Out):
    """All endpoints, oldest first."""

    endpoints: Sequence[EndpointOut]


class TrialOut(Out):
    """What a test event brought back; `status` null means that no answer came, and `error` says why."""

    delivered: bool
    status: int | None
    error: str | None
    elapsed_ms: float
    event_id: str


class DeliveryOut(Out):
    """One event on its way to one endpoint; `next_at` is null unless a retry is planned."""

    event_id: str
    event_type: str
    session_id: str | None
    endpoint_id: str
    state: DeliveryState
    attempts: int
    occurred_at: Timestamp
    last_tried_at: Timestamp | None
    last_status: int | None
    last_error: str | None
    next_at: Timestamp | None
    settled_at: Timestamp | None


class DeliveryPage(Out):
    """Some deliveries, newest first; `next_cursor` is null on the last page."""

    deliveries: Sequence[DeliveryOut]
    next_cursor: str | None


class ReplayOut(Out):
    """How many deliveries are made once more, or would be."""

    count: int
