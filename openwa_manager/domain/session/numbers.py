"""Tells whether two phone numbers are one account, although WhatsApp writes some of them in another way than people."""

import re
from typing import Final

#: What WhatsApp has and people leave out, or the other way round: the 1 after Mexico's code (accounts made before it
#: was dropped in 2019), the 9 of mobiles after Argentina's, and the ninth digit, a 9, of mobiles in Brazil (accounts
#: made before it was added).
_SPELLINGS: Final = (
    (re.compile(r"521(\d{10})"), r"52\1"),
    (re.compile(r"549(\d{10})"), r"54\1"),
    (re.compile(r"55(\d{2})9(\d{8})"), r"55\1\2"),
)


def is_same_number(one: str, other: str) -> bool:
    """Tell whether two international numbers, written with or without +, belong to one account."""
    return _plain(one) == _plain(other)


def _plain(number: str) -> str:
    digits = number.removeprefix("+")
    for spelling, short in _SPELLINGS:
        if spelling.fullmatch(digits):
            return spelling.sub(short, digits)
    return digits
