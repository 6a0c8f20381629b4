"""Finds the sections that have all the words looked for; `page/docs.js` does the same in a browser."""

import json
from collections.abc import Iterable, Sequence
from typing import Final

from openwa_manager.domain.values import dataclass

#: What is looked for ends after so many characters and words; whoever asks for more has no better answer.
QUERY_MAX: Final = 100
_WORDS_MAX: Final = 8
HITS_MAX: Final = 20
#: How much text is shown of a place that was found, and how much of it before the first word.
_SHOWN, _BEFORE = 160, 50
#: What a word counts by where it stands; in a heading it is worth more at its beginning.
_IN_TITLE, _AT_BEGIN, _IN_PAGE, _IN_TEXT = 10, 6, 5, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchedSection:
    """A section of a page: its address, the page's title, its own, and its text.

    What stands on a page of more `weight` is found before what fits as well elsewhere.
    """

    address: str
    page: str
    title: str
    text: str
    weight: int = 1


class Index:
    """All places, in the order in which they are read."""

    def __init__(self, places: Iterable[SearchedSection]) -> None:
        self._places = tuple(places)
        self._lowered = [tuple(map(str.lower, (each.title, each.page, each.text))) for each in self._places]

    def find(self, query: str) -> Sequence[SearchedSection]:
        """Return the places that have all words, the best first."""
        words = words_of(query)
        if not words:
            return ()
        scores = (
            (_score(words, *lowered) * self._places[place].weight, -place)
            for place, lowered in enumerate(self._lowered)
        )
        best = sorted((each for each in scores if each[0]), reverse=True)
        return [self._places[-place] for _, place in best[:HITS_MAX]]

    def document(self) -> bytes:
        """Return what a browser needs to find the same: of each place its address, page, title, text and weight."""
        rows = [(each.address, each.page, each.title, each.text, each.weight) for each in self._places]
        return json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()


def words_of(query: str) -> Sequence[str]:
    """Return the words that are looked for, no matter how they are written."""
    return query[:QUERY_MAX].lower().split()[:_WORDS_MAX]


def excerpt(place: SearchedSection, words: Sequence[str]) -> str:
    """Return the part of a text where the first of the words is that it has; its beginning if it has none."""
    lowered = place.text.lower()
    found = (lowered.find(word) for word in words)
    first = min((each for each in found if each >= 0), default=0)
    begin = max(0, first - _BEFORE)
    if begin:
        begin = place.text.find(" ", begin) + 1
    shown = place.text[begin : begin + _SHOWN]
    return f"{'… ' if begin else ''}{shown}{' …' if begin + _SHOWN < len(place.text) else ''}"


def _score(words: Iterable[str], title: str, page: str, text: str) -> int:
    """Return how well a place fits; 0 means that a word is missing."""
    total = 0
    for word in words:
        score = _IN_TITLE * (word in title) + _AT_BEGIN * f" {title}".count(f" {word}")
        score += _IN_PAGE * (word in page) + _IN_TEXT * (word in text)
        if not score:
            return 0
        total += score
    return total
