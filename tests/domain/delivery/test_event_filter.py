import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.access.callers import UNIX_SOCKET, Caller
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.access.scopes import scope_of
from openwa_manager.domain.delivery.event_filter import EVERY_EVENT, readable_by, unreadable_by
from openwa_manager.domain.delivery.events import beginning_in, is_passed_through, matches_any, matches_some

PATTERNS = st.text("ab.*", min_size=1, max_size=4).map(lambda text: text[:-1].replace("*", "a") + text[-1])


@pytest.mark.parametrize(
    ("qr", "chats", "lacking"), [(True, True, set()), (True, False, {"chats"}), (False, False, {"qr", "chats"})]
)
def test_what_a_caller_may_not_read_is_told_by_the_right_he_lacks(*, qr: bool, chats: bool, lacking: set[str]) -> None:
    caller = Caller(name="a", role=Role.ADMIN, has_qr=qr, has_chats=chats)

    assert set(unreadable_by(caller)) == lacking


def test_a_caller_without_rights_is_shown_neither_codes_nor_what_engines_say_of_chats() -> None:
    caller = Caller(name="a", role=Role.ADMIN, scope=scope_of(["a_*"]))

    shown = readable_by(caller, ["session.*"])

    assert shown.types == ["session.*"]
    assert shown.scope == caller.scope
    assert matches_any(shown.left_out, "session.qr")
    assert matches_any(shown.left_out, "message.received")
    assert not matches_any(shown.left_out, "message.sent")


def test_whoever_has_all_rights_is_shown_everything() -> None:
    assert readable_by(UNIX_SOCKET) == EVERY_EVENT


@given(mine=PATTERNS, other=PATTERNS)
def test_patterns_meet_if_some_text_matches_both(mine: str, other: str) -> None:
    texts = [each if beginning_in(each) is None else each[:-1] for each in (mine, other)]

    is_both = any(matches_any([mine], text) and matches_any([other], text) for text in texts)

    assert matches_some([mine], [other]) == is_both


def test_what_engines_say_of_chats_is_met_by_all_their_beginnings() -> None:
    assert is_passed_through("group.left")
    assert matches_some(["gr*"], ["group.*"])
    assert not matches_some(["message.sent", "session.*"], ["message.received", "status.received"])
