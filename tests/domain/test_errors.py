"""Errors carry what their receiver needs: a stable code, the field, the pause."""

import pytest

from openwa_manager.domain.errors import (
    ConfigError,
    FirstContactCapError,
    IllegalTransitionError,
    InvalidInputError,
    MediaUnavailableError,
    OpenwaManagerError,
    OwnedElsewhereError,
    PortInUseError,
    QueueFullError,
    QuotaExceededError,
    UnavailableError,
    needs_person,
    single_errors,
)
from openwa_manager.domain.session.launch_facts import LockHeld


def test_an_invalid_value_names_its_field() -> None:
    error = InvalidInputError("session_id", "is too long")

    assert (error.field, str(error)) == ("session_id", "session_id: is too long")


def test_a_limit_says_when_there_is_room_again() -> None:
    error = QueueFullError("too much at once", 7)

    assert (error.retry_after_s, str(error)) == (7, "too much at once")


@pytest.mark.parametrize(
    ("kind", "code"), [(IllegalTransitionError, "illegal_transition"), (PortInUseError, "port_in_use")]
)
def test_codes_are_those_of_the_contract(kind: type[OpenwaManagerError], code: str) -> None:
    assert kind.code == code


def test_what_went_wrong_in_nested_groups_is_found_one_by_one() -> None:
    first, second = PortInUseError("1"), QueueFullError("2", 3)

    errors, _ = BaseExceptionGroup("outer", [first, BaseExceptionGroup("inner", [second])]).split(OpenwaManagerError)

    assert list(single_errors(errors)) == [first, second]
    assert list(single_errors(None)) == []


def test_what_is_used_up_says_when_it_goes_on() -> None:
    quota, cap = QuotaExceededError("used up", 60, 1000.0), FirstContactCapError("enough", 7)

    assert (quota.retry_after_s, quota.resets_at, cap.retry_after_s) == (60, 1000.0, 7)
    assert (MediaUnavailableError("gone").is_lasting, MediaUnavailableError("slow", is_lasting=False).is_lasting) == (
        True,
        False,
    )


def test_only_what_cannot_come_by_itself_needs_a_person() -> None:
    assert needs_person(ConfigError("wrong"))
    assert not needs_person(UnavailableError("the port is taken"))


def test_who_owns_a_session_is_said_in_the_owners_words() -> None:
    held = LockHeld(path="/data/a.lock")

    error = OwnedElsewhereError(held)

    assert (error.owner, str(error)) == (held, held.sentence)
