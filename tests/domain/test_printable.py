import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.printable import printable


@given(st.text())
def test_what_is_shown_is_one_line_that_steers_nothing(text: str) -> None:
    shown = printable(text)

    assert len(shown.splitlines()) <= 1
    assert not any(ord(each) < 32 or 127 <= ord(each) < 160 or 0xD800 <= ord(each) < 0xE000 for each in shown)


@pytest.mark.parametrize("each", ["\x1b", "\x9b", "\r", "\u202e", "\u2066", "\ud800", "\x00"])
def test_what_steers_or_deceives_is_replaced_also_where_lines_are_kept(each: str) -> None:
    assert printable(f"a{each}b") == printable(f"a{each}b", keeps_lines=True) == "a\ufffdb"


def test_on_request_line_ends_and_tabs_stay() -> None:
    assert printable("a\n\tb", keeps_lines=True) == "a\n\tb"


@given(st.text(st.characters(categories=["L", "N", "P", "S"]) | st.just(" ")))
def test_words_of_all_the_world_stay(text: str) -> None:
    assert printable(text) == text
