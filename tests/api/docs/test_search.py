"""What is looked for is found where all words are, the best first."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.api.docs.search import HITS_MAX, Index, SearchedSection, excerpt, words_of


def place(number: int, title: str, text: str, page: str = "A page") -> SearchedSection:
    return SearchedSection(address=f"/docs/a#{number}", page=page, title=title, text=text)


PLACES = (
    place(0, "Pace", "Messages leave one at a time."),
    place(1, "Messages", "They wait in a queue."),
    place(2, "Something else", "A queue keeps messages, and a QR code."),
    place(3, "Ends", "Nothing here.", page="Queues of messages"),
)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("messages", [1, 3, 0, 2]),
        ("QUEUE messages", [1, 3, 2]),
        ("qr", [2]),
        ("  ", []),
        ("qr nowhere", []),
        ("mess queu", [1, 3, 2]),
    ],
)
def test_places_with_all_words_are_found_the_best_first(query: str, found: list[int]) -> None:
    assert [each.address for each in Index(PLACES).find(query)] == [f"/docs/a#{number}" for number in found]


def test_of_two_that_fit_as_well_the_one_of_more_weight_comes_first() -> None:
    heavy = SearchedSection(address="/docs/b", page="B", title="Pace", text="", weight=2)

    assert [each.address for each in Index([*PLACES, heavy]).find("pace")] == ["/docs/b", "/docs/a#0"]


def test_no_more_is_found_than_anybody_reads() -> None:
    assert len(Index(place(each, "Same", "words") for each in range(100)).find("same")) == HITS_MAX


def test_a_query_has_only_so_many_words() -> None:
    assert len(words_of("a " * 500)) == 8
    assert words_of("x" * 5000) == ["x" * 100]


def test_an_excerpt_is_around_the_first_word() -> None:
    shown = excerpt(place(0, "T", "begin " * 40 + "wanted " + "end " * 100), ["wanted"])

    assert "wanted" in shown
    assert shown.startswith("… begin")
    assert shown.endswith(" …")
    assert excerpt(place(0, "T", "short"), ["nowhere"]) == "short"


def test_a_browser_gets_the_same_places() -> None:
    rows = json.loads(Index(PLACES).document())

    assert rows[0] == ["/docs/a#0", "A page", "Pace", "Messages leave one at a time.", 1]
    assert len(rows) == len(PLACES)


@given(st.text(max_size=60))
def test_whatever_is_looked_for_what_is_found_has_it(query: str) -> None:
    for found in Index(PLACES).find(query):
        whole = f"{found.title} {found.page} {found.text}".lower()
        assert all(word in whole for word in words_of(query))
        assert excerpt(found, words_of(query))
