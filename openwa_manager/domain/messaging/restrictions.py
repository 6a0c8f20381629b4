"""What WhatsApp took from an account, and what that means for its messages."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from openwa_manager.domain.session.reasons import Restriction
from openwa_manager.domain.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRestricted:
    """WhatsApp lets the account write to nobody new, or to nobody at all, until wall time `until` (None: not told).

    `is_proof` tells that the attempt after which this was found was not sent.
    """

    kind: str
    holds_all: bool
    until: float | None
    is_proof: bool


#: What WhatsApp may have taken from an account, and whether that is all writing or only to those it never wrote to.
_HOLDS_ALL: Mapping[str, bool] = {"reachout_timelock": False, "tos_block": True, "proxy_block": True, "banned": True}


def in_force(restriction: Restriction, now: float) -> AccountRestricted | None:
    """Return what a restriction takes from the account at wall time `now`; None: nothing that stops messages."""
    holds_all = _HOLDS_ALL.get(restriction.kind)
    until = _time_of(restriction.expires_at)
    if holds_all is None or (until is not None and until <= now):
        return None
    return AccountRestricted(kind=restriction.kind, holds_all=holds_all, until=until, is_proof=False)


def stops_all(kind: str) -> bool:
    """Tell whether an account that this was taken from can write to nobody, not even to those it knows."""
    return _HOLDS_ALL.get(kind, False)


def judge_restriction(
    restriction: Restriction | None, *, is_first_contact: bool, now: float
) -> AccountRestricted | None:
    """Return what a restriction, asked for right after an engine failed at wall time `now`, means; None: nothing.

    One whose end has passed means nothing: the engine has not noticed yet.
    """
    found = None if restriction is None else in_force(restriction, now)
    if found is None or not (found.holds_all or is_first_contact):
        return None
    return replace(found, is_proof=is_first_contact)


def _time_of(text: str | None) -> float | None:
    try:
        at = datetime.fromisoformat(text or "")
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        return None
