"""The languages of the pages: which is chosen, and that none lacks a word."""

import re
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.api.pairing.languages import LANGUAGES, language_for, texts_in

PAGES = resources.files("openwa_manager.api.pairing") / "page"


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("es", "es"),
        ("ES-es", "es"),
        ("de, es;q=0.1", "es"),
        ("es;q=0, en;q=0.1", "en"),
        ("es;q=0", "en"),
        ("*", "en"),
        ("en;q=0.2, *;q=0.5", "es"),
        ("en , es", "en"),
        ("es;q=1.000, en;q=0.999", "es"),
        ("fr-CH, fr;q=0.9", "en"),
    ],
)
def test_the_language_wanted_most_is_chosen(accepted: str, chosen: str) -> None:
    assert language_for(accepted) == chosen


@given(st.text() | st.lists(st.sampled_from(["es", "en-GB", "q=", ";q=0.5", ",", "*", " ", "-"])).map("".join))
def test_whatever_is_asked_for_there_is_a_language(accepted: str) -> None:
    assert language_for(accepted) in LANGUAGES


def test_each_language_has_the_same_words() -> None:
    first, *others = (texts_in(language) for language in LANGUAGES)

    for other in others:
        assert other.keys() == first.keys()
        for name, text in first.items():
            assert re.findall(r"\{\w+\}", other[name]) == re.findall(r"\{\w+\}", text), name


def test_every_word_is_somewhere_on_a_page() -> None:
    pages = "".join(each.read_text("utf-8") for each in PAGES.iterdir() if each.name.endswith(".html"))
    wanted = set(re.findall(r"\{\{(\w+)\}\}", pages))
    notices = {"over", "over_title", "elsewhere", "elsewhere_title", "busy", "busy_title", "failed", "failed_title"}

    unused = texts_in(LANGUAGES[0]).keys() - wanted - notices

    assert unused == set()
