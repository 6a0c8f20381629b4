"""Fills in what the words of the table of trouble leave open, as a page names it."""

from typing import Final

_NAMES: Final = {
    "subject": "SESSION",
    "endpoint_id": "ENDPOINT",
    "detail": "…",
    "status": "…",
    "count": "N",
    "for_s": "N",
    "percent": "N",
    "since": "TIME",
}


class _Word(str):
    """A word that no format changes."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return str(self)


def filled(text: str) -> str:
    """Return the words with names for what is found only where something is wrong."""
    return text.format_map({name: _Word(word) for name, word in _NAMES.items()})
