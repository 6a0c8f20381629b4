"""How fast a session writes: gaps between messages, how many new people a day, and a pause after failures in a row.

`guide` has the gap and nothing else. `careful` treats people whom the session has never written with as what a new
account is watched for: they are spaced widely, and there are few of them on its first days. Its numbers are heuristics,
those of OpenWA's own pacing; nobody outside WhatsApp knows the true ones.
"""

import math
from dataclasses import field, replace
from enum import StrEnum, unique
from zoneinfo import ZoneInfo

from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.values import dataclass
from openwa_manager.domain.zones import day_of

GAP_MAX_S = 3600.0


@unique
class ProfileName(StrEnum):
    """Which pace a session keeps."""

    GUIDE = "guide"
    CAREFUL = "careful"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """How long a lane rests after an answer, in seconds: drawn anew each time, all lengths alike.

    Raises:
        InvalidInputError: it is negative, longer than an hour, or its least is more than its most.
    """

    min_s: float
    max_s: float

    def __post_init__(self) -> None:
        if not 0 <= self.min_s <= self.max_s <= GAP_MAX_S:  # so is no gap of which one end is no number
            raise InvalidInputError("gap", f"a gap is from 0 to {GAP_MAX_S:g} s, its least not more than its most")

    @property
    def mean_s(self) -> float:
        """Return how long it is on average."""
        return (self.min_s + self.max_s) / 2

    def drawn_s(self, chance: float) -> float:
        """Return one gap; `chance` is in [0, 1)."""
        return self.min_s + (self.max_s - self.min_s) * chance


#: Between two messages, of the guide.
GAP = Gap(min_s=1.2, max_s=1.8)
#: Between two messages to people whom the session has not written with before.
FIRST_CONTACT_GAP = Gap(min_s=30.0, max_s=60.0)
#: How many such people a day, from the day on which the session was linked; the last holds for all later days.
FIRST_CONTACT_CAPS = (5, 10, 20, 40, 60, 80, 100)
BREAKER_FAILURES = 5
BREAKER_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PacingProfile:
    """One pace; None and the empty tuple mean that there is no such rule."""

    name: ProfileName
    gap: Gap = GAP
    first_contact_gap: Gap | None = None
    first_contact_caps: tuple[int, ...] = ()
    breaker_failures: int | None = None

    def cap_on(self, day_number: int) -> int | None:
        """Return how many first contacts a day may have that is `day_number` days after the link; None: any number."""
        if not self.first_contact_caps:
            return None
        return self.first_contact_caps[min(max(day_number, 0), len(self.first_contact_caps) - 1)]


def profile_of(name: ProfileName, gap: Gap = GAP) -> PacingProfile:
    """Return the profile of this name, with the gap that is set for all messages."""
    if name is ProfileName.GUIDE:
        return PacingProfile(name=name, gap=gap)
    return PacingProfile(
        name=name,
        gap=gap,
        first_contact_gap=FIRST_CONTACT_GAP,
        first_contact_caps=FIRST_CONTACT_CAPS,
        breaker_failures=BREAKER_FAILURES,
    )


def day_number(linked_at: float, at: float, zone: ZoneInfo) -> int:
    """Return how many days after its link a session is; the day of the link is 0."""
    return max(0, (day_of(at, zone) - day_of(linked_at, zone)).days)


def first_contacts_left(cap: int | None, count_today: int) -> int | None:
    """Return how many first contacts may still be sent today; None: any number."""
    return None if cap is None else max(0, cap - count_today)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendLane:
    """When the session may send again, in seconds since the host's boot; sends of the gateway use it too."""

    free_boot_s: float = 0.0
    first_contact_free_boot_s: float = 0.0

    def may_send_boot_s(self, *, is_first_contact: bool) -> float:
        """Return when a message may be sent; known people go on while first contacts rest."""
        return max(self.free_boot_s, self.first_contact_free_boot_s) if is_first_contact else self.free_boot_s

    def after_answer(
        self, profile: PacingProfile, boot_s: float, chance: float, first_contact_chance: float | None = None
    ) -> "SendLane":
        """Return the lane after an answer at `boot_s`; chances are in [0, 1), the second given for a first contact.

        A gap that was drawn is never shortened by a later one.
        """
        free = max(self.free_boot_s, boot_s + profile.gap.drawn_s(chance))
        first_contact_free = self.first_contact_free_boot_s
        if first_contact_chance is not None and profile.first_contact_gap is not None:
            rested = boot_s + profile.first_contact_gap.drawn_s(first_contact_chance)
            first_contact_free = max(first_contact_free, rested)
        return SendLane(free_boot_s=free, first_contact_free_boot_s=first_contact_free)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendBreaker:
    """Stops a session that fails and fails: after some failures in a row nothing is sent for a while.

    Afterwards one message is tried. If it fails too, the breaker opens again at once; any success closes it.
    """

    failures_in_row: int = 0
    open_until_boot_s: float = field(default=-math.inf)

    def is_open(self, boot_s: float) -> bool:
        """Tell whether nothing may be sent now."""
        return boot_s < self.open_until_boot_s

    def after_failure(self, profile: PacingProfile, boot_s: float) -> "SendBreaker":
        """Return the breaker after a message failed at `boot_s`, in seconds since the host's boot."""
        failures = self.failures_in_row + 1
        opens = profile.breaker_failures is not None and failures >= profile.breaker_failures
        until = max(self.open_until_boot_s, boot_s + BREAKER_S) if opens else self.open_until_boot_s
        return replace(self, failures_in_row=failures, open_until_boot_s=until)

    def after_success(self) -> "SendBreaker":
        """Return the breaker after a message was sent: closed, with no failures."""
        return SendBreaker()
