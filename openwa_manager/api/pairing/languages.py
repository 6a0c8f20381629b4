"""Chooses the language of a page, and reads its words: one file of texts for each language."""

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final

from pydantic import TypeAdapter

from openwa_manager.domain import foreign_json

#: The first is for everybody who reads none of them.
LANGUAGES: Final = ("en", "es")
#: So many wishes are read; browsers send some ten.
_WISHES_MAX: Final = 20
#: A wish, as in `es-MX;q=0.8` (RFC 9110, 12.5.4).
_WISH: Final = re.compile(
    r"\s*([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9]{1,8})*\s*(?:;\s*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?\s*"
)


def language_for(accepted: str) -> str:
    """Return the language of ours that an `Accept-Language` header wants most."""
    wishes: dict[str, float] = {}
    for wish in accepted.split(",", _WISHES_MAX)[:_WISHES_MAX]:
        if found := _WISH.fullmatch(wish):
            wishes.setdefault(found[1].lower(), float(found[2] or 1))
    everything = wishes.get("*", 0.0)
    return max(LANGUAGES, key=lambda each: wishes.get(each, everything))


@cache
def texts_in(language: str) -> Mapping[str, str]:
    """Return the words of a page in one of our languages, by their names."""
    file = resources.files(__package__) / "texts" / f"{language}.json"
    texts: Mapping[str, str] = TypeAdapter(dict[str, str]).validate_python(foreign_json.parse(file.read_text("utf-8")))
    return texts
