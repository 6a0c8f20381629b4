"""What a terminal may be shown of a text that others have written."""

import re

#: Control characters steer a terminal, those for the direction of writing lie about the order of what stands there, and
#: surrogates cannot be encoded.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
_BUT_LINES = re.compile(_UNPRINTABLE.pattern.replace(r"\x00-\x1f", r"\x00-\x08\x0b-\x1f"))
_INSTEAD = "\N{REPLACEMENT CHARACTER}"


def printable(text: str, *, keeps_lines: bool = False) -> str:
    """Return the text with all that could steer or deceive a terminal replaced; on request line ends and tabs stay."""
    return (_BUT_LINES if keeps_lines else _UNPRINTABLE).sub(_INSTEAD, text)
