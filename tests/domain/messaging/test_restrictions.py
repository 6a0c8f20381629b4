from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.messaging.restrictions import AccountRestricted, judge_restriction
from openwa_manager.domain.session.reasons import Restriction

UNTIL = datetime(2026, 11, 22, 8, 22, 16, 675_000, tzinfo=UTC).timestamp()
NOW = UNTIL - 60


def taken(kind: str, expires_at: str | None = "2026-11-22T08:22:16.675Z") -> Restriction:
    return Restriction(kind=kind, code="BIZ_QUALITY", expires_at=expires_at)


def test_a_timelock_holds_first_contacts_until_its_end() -> None:
    restricted = judge_restriction(taken("reachout_timelock"), is_first_contact=True, now=NOW)

    assert restricted == AccountRestricted(kind="reachout_timelock", holds_all=False, until=UNTIL, is_proof=True)
    assert judge_restriction(taken("reachout_timelock"), is_first_contact=False, now=NOW) is None


@pytest.mark.parametrize("kind", ["tos_block", "proxy_block", "banned"])
@pytest.mark.parametrize("is_first_contact", [False, True])
def test_a_block_holds_all_and_proves_something_of_first_contacts_only(kind: str, is_first_contact: bool) -> None:
    restricted = judge_restriction(taken(kind, None), is_first_contact=is_first_contact, now=NOW)

    assert restricted == AccountRestricted(kind=kind, holds_all=True, until=None, is_proof=is_first_contact)


@pytest.mark.parametrize("restriction", [None, taken("unknown"), taken("of_a_later_version")])
def test_nothing_known_means_nothing(restriction: Restriction | None) -> None:
    assert judge_restriction(restriction, is_first_contact=True, now=NOW) is None


def test_one_that_has_ended_is_no_proof() -> None:
    assert judge_restriction(taken("reachout_timelock"), is_first_contact=True, now=UNTIL) is None


@pytest.mark.parametrize("expires_at", [None, "", "soon", "2026-13-01", "9999-12-31T23:59:59-14:00"])
def test_an_end_that_cannot_be_read_is_not_told(expires_at: str | None) -> None:
    restricted = judge_restriction(taken("tos_block", expires_at), is_first_contact=False, now=NOW)

    assert restricted is not None
    assert restricted.until is None


def test_a_time_without_a_zone_is_utc() -> None:
    restricted = judge_restriction(taken("tos_block", "2026-11-22T08:22:16.675"), is_first_contact=False, now=NOW)

    assert restricted is not None
    assert restricted.until == UNTIL


@given(expires_at=st.text(), kind=st.text(), is_first_contact=st.booleans())
def test_whatever_an_engine_says_breaks_nothing(expires_at: str, kind: str, is_first_contact: bool) -> None:
    judge_restriction(taken(kind, expires_at), is_first_contact=is_first_contact, now=NOW)
