import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.access.scopes import EVERY_SESSION, SessionScope, scope_of
from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.session.session import SessionId

IDS = st.from_regex(r"[ab1][ab1_-]{0,6}", fullmatch=True)
PATTERNS = st.one_of(IDS, st.just("*"), st.from_regex(r"[ab1][ab1_-]{0,5}[_-]\*", fullmatch=True))


@pytest.mark.parametrize(
    ("pattern", "session_id", "is_named"),
    [
        ("user_1_*", "user_1_session_a", True),
        ("user_1_*", "user_10_session_a", False),
        ("user_1_*", "user_1_", True),
        ("user_1_*", "user_1", False),
        ("shop-*", "shop-2", True),
        ("shop", "shop", True),
        ("shop", "shop-2", False),
        ("*", "anything", True),
    ],
)
def test_a_pattern_names_sessions(pattern: str, session_id: str, is_named: bool) -> None:
    assert scope_of([pattern]).names(SessionId(session_id)) is is_named


@pytest.mark.parametrize(
    "pattern", ["user_1*", "", "*a", "a**", "a_*b", "**", "A_*", "_*", "-*", "a_*\n", "a\n", "a" * 64]
)
def test_what_would_name_other_peoples_sessions_is_no_pattern(pattern: str) -> None:
    with pytest.raises(InvalidInputError):
        scope_of([pattern])


def test_no_pattern_names_no_session() -> None:
    assert not scope_of([]).names(SessionId("a"))


@given(own=st.lists(PATTERNS, max_size=3), pattern=PATTERNS, session_id=IDS)
def test_what_is_covered_names_nothing_that_is_not_named(own: list[str], pattern: str, session_id: str) -> None:
    scope = scope_of(own)

    if scope.covers(pattern) and SessionScope((pattern,)).names(SessionId(session_id)):
        assert scope.names(SessionId(session_id))


@given(pattern=PATTERNS)
def test_every_session_covers_all(pattern: str) -> None:
    assert EVERY_SESSION.covers(pattern)
    assert EVERY_SESSION.is_unlimited
