import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.messaging.opt_out import (
    DEFAULT_KEYWORDS,
    FLOOD_BURST,
    OptOutRate,
    keywords_of,
)
from tests.run.growth import is_constant

KEYWORDS = keywords_of()


@pytest.mark.parametrize(
    "text",
    [
        *(
            "STOP",
            "stop",
            " Stop \n",
            "S T O P",
            "stop all",
            "Opt out",
            "opt - out",
            "Unsubscribe",
            "退訂",
            "取消 訂閱",
        ),
        *("\u200estop\u202c", "\uff33\uff34\uff2f\uff30", "stop\u3000", "退订", "取消 訂閱", "stop\ufe0f"),
    ],
)
def test_a_message_that_is_nothing_but_a_keyword_is_an_opt_out(text: str) -> None:
    assert KEYWORDS.is_opt_out(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "please stop", "STOP!", "stopped", "non-stop", "cancel", "end", "quit", "no", "bus stop", "s.t.o.p"),
        *("STOP\0", "st\u0301op", "\u0455top", "stop stop", "\u202epots"),
    ],
)
def test_a_message_that_says_anything_else_is_none(text: str) -> None:
    assert not KEYWORDS.is_opt_out(text)


@given(word=st.sampled_from(DEFAULT_KEYWORDS), spaces=st.lists(st.sampled_from(["", " ", "\n", "\u00a0"]), max_size=15))
def test_case_and_spaces_make_no_difference(word: str, spaces: list[str]) -> None:
    gaps = [*spaces, *[""] * len(word)]
    text = "".join(f"{gap}{letter.swapcase()}" for gap, letter in zip(gaps, word, strict=False))

    assert KEYWORDS.is_opt_out(text)


@given(text=st.text(max_size=300), word=st.text("Straße İI stop訂 ", min_size=1, max_size=9).filter(str.strip))
def test_every_keyword_is_found_by_itself_and_any_text_can_be_asked(text: str, word: str) -> None:
    keywords = keywords_of([word])

    assert keywords.is_opt_out(word)
    assert keywords.is_opt_out(f" {word}\n")
    assert isinstance(keywords.is_opt_out(text), bool)


@pytest.mark.parametrize("text", [" ", "\ufdfa", "STOP"])
def test_a_long_message_is_not_looked_at(text: str) -> None:
    longest = text * 10_000_000

    assert not KEYWORDS.is_opt_out(longest)
    assert is_constant(lambda size: [KEYWORDS.is_opt_out(longest[:size]) for _ in range(10)], 10_000_000)


def test_without_keywords_nobody_opts_out() -> None:
    assert not keywords_of([]).is_opt_out("STOP")
    assert not keywords_of([]).is_opt_out("")


@pytest.mark.parametrize("words", [[""], [" \u200b"], ["x" * 65], ["x"] * 101])
def test_keywords_that_make_no_sense_are_refused(words: list[str]) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        keywords_of(words)

    assert refusal.value.field == "opt_out_keywords"


def test_a_few_opt_outs_at_once_are_no_flood_and_more_are() -> None:
    rate, floods = OptOutRate(), []
    for _ in range(FLOOD_BURST + 2):
        rate, is_flood = rate.counted(100.0)
        floods.append(is_flood)

    assert floods == [False] * FLOOD_BURST + [True] * 2
    assert rate.counted(101.0)[1] is False


def test_a_clock_that_is_put_back_forgets_nothing() -> None:
    rate = OptOutRate(level=FLOOD_BURST, at=1e9)

    assert rate.counted(0.0)[1]


@given(pauses_s=st.lists(st.floats(0, 5), min_size=1, max_size=60))
def test_no_more_are_believed_than_one_a_second_and_a_few(pauses_s: list[float]) -> None:
    rate, now, believed = OptOutRate(), 0.0, []
    for pause_s in pauses_s:
        now += pause_s
        rate, is_flood = rate.counted(now)
        if not is_flood:
            believed.append(now)

    for first in range(len(believed)):
        for last in range(first, len(believed)):
            assert last - first + 1 <= believed[last] - believed[first] + FLOOD_BURST + 1e-6


@given(starts=st.lists(st.integers(0, 1000), unique=True, min_size=2, max_size=40))
def test_one_a_second_is_never_a_flood(starts: list[int]) -> None:
    rate = OptOutRate()
    for at in sorted(starts):
        rate, is_flood = rate.counted(float(at))
        assert not is_flood
