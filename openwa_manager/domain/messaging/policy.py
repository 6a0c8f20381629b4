"""How messages are sent and kept: what the settings say about them."""

from dataclasses import field

from openwa_manager.domain.messaging.opt_out import DEFAULT_KEYWORDS
from openwa_manager.domain.messaging.pacing import ProfileName
from openwa_manager.domain.messaging.retries import RetryPolicy
from openwa_manager.domain.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PacePolicy:
    """How fast sessions send, unless they have a profile of their own.

    Between the answer to a send and the next one lies a random gap between `gap_min_s` and `gap_max_s`; two questions
    about numbers are `check_gap_s` apart. `hold_s` is how long a caller of the gateway is made to wait for its turn.
    """

    profile: ProfileName = ProfileName.GUIDE
    gap_min_s: float = 1.2
    gap_max_s: float = 1.8
    check_gap_s: float = 1.0
    hold_s: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRetention:
    """How long after its end a message is kept, and before that its text, if it could be sent again."""

    body_s: float = 7 * 86_400.0
    message_s: float = 90 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagingPolicy:
    """How messages are sent and kept.

    `send_timeout_s` is how long an engine may take to answer a send, `ttl_s` how long a message may wait. Months and
    days are counted in `time_zone` (a name of the IANA database). `default_region` (as in `HK`) is the country of
    numbers without one; None: all numbers are international. `batch_progress_s` is the least between two events that
    tell how far a batch is.
    """

    pace: PacePolicy = field(default_factory=PacePolicy)
    retries: RetryPolicy = field(default_factory=RetryPolicy)
    retention: MessageRetention = field(default_factory=MessageRetention)
    send_timeout_s: float = 60.0
    ttl_s: float = 86_400.0
    time_zone: str = "UTC"
    default_region: str | None = None
    opt_out_keywords: tuple[str, ...] = DEFAULT_KEYWORDS
    batch_progress_s: float = 10.0
