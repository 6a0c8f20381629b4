"""What a terminal may be shown of a text that others have written."""

import re
import unicodedata
from functools import cache
from typing import Final

#: Control characters steer a terminal, those for the direction of writing lie about the order of what stands there, and
#: surrogates cannot be encoded.
_UNPRINTABLE: Final = r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
_BUT_LINES: Final = _UNPRINTABLE.replace(r"\x00-\x1f", r"\x00-\x08\x0b-\x1f")
#: Control characters (Cc), those for writing direction and of no width (Cf), surrogates, separators of lines
#: (Unicode, 4.5): in an address or a path they only deceive.
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_INSTEAD = "\N{REPLACEMENT CHARACTER}"


def printable(text: str, *, keeps_lines: bool = False) -> str:
    """Return the text with all that could steer or deceive a terminal replaced; on request line ends and tabs stay."""
    return _pattern(_BUT_LINES if keeps_lines else _UNPRINTABLE).sub(_INSTEAD, text)


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)  # when it is needed: half a millisecond for each


def has_hidden(text: str) -> bool:
    """Tell whether a text has characters that nobody sees, so that two different ones may look the same."""
    return any(unicodedata.category(each) in _HIDDEN for each in text)
