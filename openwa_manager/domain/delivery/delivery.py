"""How events reach endpoints: what an answer means, when to try again, and when to stop trying."""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from http import HTTPStatus
from typing import assert_never

from openwa_manager.domain.delivery.events import EndpointId, Event, matches_any
from openwa_manager.domain.values import dataclass

#: The endpoint that the settings name (`upstream_url`).
DEFAULT_ENDPOINT = EndpointId("default")
#: What an endpoint is sent unless it is said otherwise.
EVERY_TYPE = ("*",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An upstream URL, which events it wants, and the secret that signs them.

    `previous_secret` signs too for a day after `rotated_at`. `events` and `sessions` are patterns (events.matches_any).
    `disabled_reason` says why we stopped by ourselves; None while active and when a person paused it.
    """

    endpoint_id: EndpointId
    url: str
    secret: str = field(repr=False)
    previous_secret: str | None = field(default=None, repr=False)
    rotated_at: float | None = None
    events: tuple[str, ...] = EVERY_TYPE
    sessions: tuple[str, ...] = ("*",)
    is_active: bool = True
    disabled_reason: str | None = None
    created_at: float
    updated_at: float

    def wants(self, event: Event) -> bool:
        """Tell whether it asked for this event; what the daemon says of itself is of no session, so only `*` fits."""
        return self.asks_for(event.type, event.session_id)

    def asks_for(self, event_type: str, session_id: str | None) -> bool:
        """Tell the same of an event of this type and session."""
        return matches_any(self.events, event_type) and matches_any(self.sessions, session_id or "")

    def is_signed_twice(self, at: float) -> bool:
        """Tell whether the previous secret still signs beside the new one."""
        return self.previous_secret is not None and self.rotated_at is not None and at < self.rotated_at + ROTATION_S


#: How long both secrets sign after a rotation.
ROTATION_S = 86_400.0


class Lane(StrEnum):
    """Where a delivery waits: codes go before everything else, since they expire within a minute."""

    MAIN = "main"
    QR = "qr"


class DeliveryState(StrEnum):
    """What has become of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The endpoint took it (2xx)."""

    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """The endpoint did not take it now; `status` None means that no answer came."""

    reason: str
    status: int | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The endpoint is well but will not have this body (400, 413, 415, 422)."""

    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """The endpoint wants nothing from us any more (410)."""


AttemptResult = Delivered | Retry | Rejected | Gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """What was tried for one delivery so far; `first_at` is None before the first attempt that counted."""

    attempts: int = 0
    rejected_count: int = 0
    errored_count: int = 0
    first_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPolicy:
    """When a delivery is tried again and when it is given up (docs/design.md, Delivery).

    `schedule_s` holds the pause before each try, the first included; `retry_after_max_s` caps what an endpoint may
    ask for. The breaker opens after `breaker_failures` in a row and then probes every `probe_s`. An endpoint that asks
    us to wait (429) is left alone for as long, `throttle_min_s` at least.
    """

    schedule_s: tuple[float, ...] = (
        *(0.0, 2.0, 10.0, 30.0, 120.0, 300.0, 900.0, 1800.0),
        *(3600.0, 7200.0, 14_400.0, 28_800.0, 43_200.0, 86_400.0, 86_400.0),
    )
    jitter: float = 0.2
    retry_after_max_s: float = 3600.0
    breaker_failures: int = 5
    probe_s: float = 30.0
    throttle_min_s: float = 1.0
    rejected_max: int = 5
    rejected_for_s: float = 900.0
    errored_max: int = 10
    errored_for_s: float = 3600.0
    parallel_max: Mapping[Lane, int] = field(default_factory=lambda: {Lane.MAIN: 16, Lane.QR: 2})

    @property
    def pause_max_s(self) -> float:
        """Return how long nothing waits longer than, whatever it was told by a wall clock that was set since."""
        return max(self.retry_after_max_s, max(self.schedule_s) * (1 + self.jitter))

    def throttle_s(self, result: AttemptResult) -> float | None:
        """Return how long (s) the endpoint is to be left alone as it asked for (429); None: it did not."""
        if not isinstance(result, Retry) or result.status != HTTPStatus.TOO_MANY_REQUESTS:
            return None
        asked_s = self.probe_s if result.retry_after_s is None else result.retry_after_s
        return min(max(asked_s, self.throttle_min_s), self.retry_after_max_s)

    def pause_s(self, attempts: int, chance: float) -> float | None:
        """Return the pause after so many attempts, varied by `chance` in [0, 1); None means that was the last."""
        if attempts >= len(self.schedule_s):
            return None
        return self.schedule_s[attempts] * (1 - self.jitter + 2 * self.jitter * chance)


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """Whether an endpoint is worth asking: `probe_at` is None while closed, else when the next probe is due.

    `is_throttled`: it is well, and asked us to wait until then. Times are on the boot clock, since this lives in memory
    only.
    """

    failures: int = 0
    probe_at: float | None = None
    is_throttled: bool = False

    @property
    def is_open(self) -> bool:
        """Tell whether only probes may pass."""
        return self.probe_at is not None

    def after(self, result: AttemptResult, boot_s: float, policy: DeliveryPolicy) -> "Breaker":
        """Return the breaker once an attempt has ended so; any answer but a failure proves the endpoint well.

        What was on its way when the endpoint asked us to wait neither ends nor shortens that wait.
        """
        is_waiting = self.is_throttled and self.probe_at is not None and boot_s < self.probe_at
        wait_s = policy.throttle_s(result)
        if wait_s is not None:
            until_s = max(boot_s + wait_s, (self.probe_at or 0.0) if is_waiting else 0.0)
            return Breaker(probe_at=until_s, is_throttled=True)
        if is_waiting:
            return self
        if not isinstance(result, Retry):
            return Breaker()
        failures = self.failures + 1
        if failures < policy.breaker_failures:
            return Breaker(failures=failures)
        wait_s = max(policy.probe_s, min(result.retry_after_s or 0.0, policy.retry_after_max_s))
        return Breaker(failures=failures, probe_at=boot_s + wait_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastAnswer:
    """What became of the last attempt at an endpoint since the daemon began, of whichever event.

    `status` None: no answer came. `error` is a short sentence, None after a success; `failing_since` (wall time) when
    the first of the failures in a row was.
    """

    status: int | None = None
    error: str | None = None
    failing_since: float | None = None

    def then(self, result: AttemptResult, at: float) -> "LastAnswer":
        """Return it once another attempt has ended at wall time `at`."""
        match result:
            case Delivered(status=status):
                return LastAnswer(status=status)
            case Rejected(status=status):
                return LastAnswer(status=status, error=f"it refused an event: {phrase_of(status)}")
            case Gone():
                gone = int(HTTPStatus.GONE)
                return LastAnswer(status=gone, error=f"it wants nothing any more: {phrase_of(gone)}")
            case Retry(status=status, reason=reason):
                error = reason if status is None else f"it answered {phrase_of(status)}"
                is_well = status == HTTPStatus.TOO_MANY_REQUESTS  # and only asked us to wait
                return LastAnswer(
                    status=status, error=error, failing_since=None if is_well else self.failing_since or at
                )
            case _:
                assert_never(result)


def phrase_of(status: int) -> str:
    """Return an HTTP status with its name, if it has one."""
    known = {each.value: each.phrase for each in HTTPStatus}
    return f"{status} {known.get(status, '')}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointHealth:
    """How an endpoint is, as far as was seen since the daemon began; times are wall time.

    `down_since` None: it is not down. `next_probe_at` is when the next event is posted to one that is down or has asked
    us to wait; None: at once, or when there is one.
    """

    last: LastAnswer = field(default_factory=LastAnswer)
    is_throttled: bool = False
    down_since: float | None = None
    next_probe_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptContext:
    """The circumstances of an attempt: when it ended (wall time), a random number in [0, 1), the endpoint's health.

    `is_open` and `is_probe` describe the breaker when it ended; `last_success_at` is the endpoint's, None if unknown.
    """

    at: float
    chance: float
    is_open: bool = False
    is_probe: bool = False
    last_success_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded:
    """It arrived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryAt:
    """Try once more at `next_at` (wall time)."""

    tries: Tries
    next_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLettered:
    """Stop trying; kept as a dead letter, and the stream goes on."""

    tries: Tries
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Disabled:
    """Send this endpoint nothing more until a person resumes it."""


AttemptDecision = Succeeded | RetryAt | DeadLettered | Disabled


def after_attempt(
    tries: Tries, result: AttemptResult, context: AttemptContext, policy: DeliveryPolicy
) -> AttemptDecision:
    """Return what follows from the outcome of an attempt (docs/design.md, Delivery)."""
    match result:
        case Delivered():
            return Succeeded()
        case Gone():
            return Disabled()
        case Retry() if (wait_s := policy.throttle_s(result)) is not None:
            return RetryAt(tries=tries, next_at=context.at + wait_s)  # it is well, and the event has no part in it
        case Retry(status=status) if context.is_open and not (context.is_probe and status == 500):
            return RetryAt(tries=tries, next_at=context.at)  # the endpoint is down: this event has no part in it
        case Retry() | Rejected():
            return _after_failure(_counted(tries, result, context.at), result, context, policy)
        case _:
            assert_never(result)


def _counted(tries: Tries, result: Retry | Rejected, at: float) -> Tries:
    return Tries(
        attempts=tries.attempts + 1,
        rejected_count=tries.rejected_count + isinstance(result, Rejected),
        errored_count=tries.errored_count + (result.status == 500),
        first_at=at if tries.first_at is None else tries.first_at,
    )


def _after_failure(
    tries: Tries, result: Retry | Rejected, context: AttemptContext, policy: DeliveryPolicy
) -> AttemptDecision:
    pause_s = policy.pause_s(tries.attempts, context.chance)
    if pause_s is None:
        return DeadLettered(tries=tries, reason="exhausted")
    if reason := _poison(tries, context, policy):
        return DeadLettered(tries=tries, reason=reason)
    asked_s = min((result.retry_after_s if isinstance(result, Retry) else None) or 0.0, policy.retry_after_max_s)
    return RetryAt(tries=tries, next_at=context.at + max(pause_s, asked_s))


def _poison(tries: Tries, context: AttemptContext, policy: DeliveryPolicy) -> str | None:
    """Return why the event itself, not the endpoint, must be the trouble; None while that is not clear."""
    first_at = context.at if tries.first_at is None else tries.first_at
    tried_for_s = context.at - first_at
    if tries.rejected_count >= policy.rejected_max and tried_for_s >= policy.rejected_for_s:
        return "rejected"
    others_succeed = context.last_success_at is not None and context.last_success_at > first_at
    if tries.errored_count >= policy.errored_max and tried_for_s >= policy.errored_for_s and others_succeed:
        return "errored"
    return None
