"""Finds the route of a path by a look into one table; aiohttp tries one after the other that begin alike."""

import re
from typing import Final

from aiohttp import web

from openwa_manager.domain.values import dataclass

#: Method, how many words, the first two of them, and the last one; None: that is a parameter.
_Shape = tuple[str, int, str, str, str | None]
#: A path of fewer words is found as fast without the table. Before its first `/` stands an empty one.
_WORDS_MIN: Final = 3
_PARAMETER: Final = re.compile(r"\{(?P<name>\w+)(?::(?P<form>[^/]*))?\}")
#: With these in it a word may stand for another one, or be none that a parameter takes: aiohttp knows.
_SPECIAL: Final = re.compile(r"[%{}]")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A route, the words at certain places of its path, and its parameters at the others; each has a form."""

    route: web.AbstractRoute
    texts: tuple[tuple[int, str], ...]
    parameters: tuple[tuple[int, str, re.Pattern[str] | None], ...]

    def match(self, words: list[str]) -> web.UrlMappingMatchInfo | None:
        for place, text in self.texts:
            if words[place] != text:
                return None
        found: dict[str, str] = {}
        for place, name, form in self.parameters:
            word = words[place]
            if not word or (form is not None and form.fullmatch(word) is None):
                return None
            found[name] = word
        return web.UrlMappingMatchInfo(found, self.route)


class PathIndex:
    """The routes whose paths have parameters for whole words only, by what each of their paths looks like."""

    def __init__(self) -> None:
        self._entries: dict[_Shape, list[_Entry]] = {}

    def add(self, route: web.AbstractRoute, path: str) -> None:
        """Take note of a route at this path, if such paths are found by their words."""
        words = path.split("/")
        forms = [_PARAMETER.fullmatch(word) for word in words]
        is_by_words = all(
            form is not None or _SPECIAL.search(word) is None for form, word in zip(forms, words, strict=True)
        )
        if len(words) < _WORDS_MIN or not is_by_words or forms[1] or (forms[2] and len(words) > _WORDS_MIN):
            return
        shape = (route.method, len(words), words[1], _second(words), None if forms[-1] else words[-1])
        entry = _Entry(
            route,
            tuple((place, word) for place, word in enumerate(words) if not forms[place]),
            tuple((place, form["name"], _form_of(form)) for place, form in enumerate(forms) if form),
        )
        self._entries.setdefault(shape, []).append(entry)

    def find(self, request: web.Request) -> web.UrlMappingMatchInfo | None:
        """Return the route of a request; None when it is none of these, or there is none."""
        path = request.rel_url.path_safe
        words = path.split("/")
        if len(words) < _WORDS_MIN or _SPECIAL.search(path) is not None:
            return None
        method, count, first, second = request.method, len(words), words[1], _second(words)
        for last in (words[-1], None):
            for each in self._entries.get((method, count, first, second, last), ()):
                if (match := each.match(words)) is not None:
                    return match
        return None


def _second(words: list[str]) -> str:
    """Return the second word, unless it is the last one as well."""
    return words[2] if len(words) > _WORDS_MIN else ""


def _form_of(parameter: re.Match[str]) -> re.Pattern[str] | None:
    return re.compile(parameter["form"]) if parameter["form"] else None
