"""Texts with `{{name}}` in them, filled for each recipient of a batch, and how long a text may be.

A template is taken apart once and filled many times. What is filled in is never looked at again: a variable that holds
`{{other}}` is sent as it is. There is no other syntax, so braces that are no variable are refused rather than sent.
"""

import re
from collections.abc import Mapping
from enum import StrEnum, unique

from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.values import dataclass

#: What OpenWA takes. It counts characters, a pair of surrogates as one, and some that only change the one before not at
#: all: so what is not longer by our count is not by its own.
TEXT_MAX_CHARS = 4096
CAPTION_MAX_CHARS = 1024
#: Of a template before it is filled; names of variables may be longer than what they stand for.
TEMPLATE_MAX_CHARS = 16_384
VARIABLE_NAME_MAX_CHARS = 64

#: A name is letters, digits, `_`, `.` and `-` of any script.
_VARIABLE = re.compile(rf"\{{\{{\s*+([\w.-]{{1,{VARIABLE_NAME_MAX_CHARS}}})\s*+\}}\}}")


@unique
class TextFault(StrEnum):
    """Why a text cannot be sent to a recipient; the values are codes that callers see."""

    MISSING_VARIABLE = "missing_variable"
    TEXT_TOO_LONG = "text_too_long"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfilled:
    """Why a template could not be filled for a recipient; `detail` is for people and repeats no text of theirs."""

    fault: TextFault
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A text taken apart at its variables: `pieces[0]`, the value of `names[0]`, `pieces[1]`, and so on."""

    pieces: tuple[str, ...]
    names: tuple[str, ...]

    def fill(self, variables: Mapping[str, str], max_chars: int = TEXT_MAX_CHARS) -> str | Unfilled:
        """Return the text for one recipient, at most `max_chars` long, or why there is none.

        A text of nothing but spaces misses a variable: what was to be said is empty.
        """
        try:
            values = [variables[name] for name in self.names]
        except KeyError as missing:
            return Unfilled(fault=TextFault.MISSING_VARIABLE, detail=f"there is no variable {missing.args[0]}")
        char_count = sum(map(len, self.pieces)) + sum(map(len, values))
        if char_count > max_chars:  # asked before joining: a long value may stand in a template a thousand times
            return Unfilled(fault=TextFault.TEXT_TOO_LONG, detail=too_long(char_count, max_chars))
        text = "".join(part for pair in zip(self.pieces, (*values, ""), strict=True) for part in pair)
        if self.names and not text.strip():
            names = ", ".join(dict.fromkeys(self.names))
            return Unfilled(fault=TextFault.MISSING_VARIABLE, detail=f"the text is empty: so is {names}"[:1000])
        return text


def template_of(text: str, field: str) -> Template:
    """Take a text apart; `field` is what it is called in a refusal, as in `template.text`.

    Raises:
        InvalidInputError: it is longer than `TEMPLATE_MAX_CHARS`, or has `{{` that begins no variable.
    """
    if len(text) > TEMPLATE_MAX_CHARS:
        raise InvalidInputError(field, too_long(len(text), TEMPLATE_MAX_CHARS))
    parts = _VARIABLE.split(text)
    pieces, names = tuple(parts[::2]), tuple(parts[1::2])
    if any("{{" in piece for piece in pieces):
        raise InvalidInputError(field, "write a variable as {{name}}, with letters, digits, _ . and - in its name")
    return Template(pieces=pieces, names=names)


def text_problem(text: str, max_chars: int = TEXT_MAX_CHARS) -> str | None:
    """Return what is wrong with a text that is sent as it is; None when it may be sent."""
    if len(text) > max_chars:
        return too_long(len(text), max_chars)
    return None if text.strip() else "is empty"


def too_long(char_count: int, max_chars: int) -> str:
    """Return the sentence for a text that has more characters than it may."""
    return f"has {char_count} characters; at most {max_chars} are sent"
