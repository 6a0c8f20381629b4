"""Takes out of texts what must not leave this host: secrets, codes, numbers and names of people, what they write.

What a program has printed has no form that could be trusted, so too much is taken out rather than too little.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from openwa_manager.domain.printable import printable
from openwa_manager.logs import redacted

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

HIDDEN_TEXT: Final = "<hidden>"
#: A value of the settings that is shorter says nothing, and would stand in every other word.
_SECRET_MIN_CHARS: Final = 6
#: A line, and a text in a document, are cut here.
_LINE_MAX_CHARS: Final = 1_000
#: Members of documents whose texts may hold what engines, receivers and libraries say.
_FREE: Final = frozenset({"detail", "reason_detail", "error_detail", "last_error", "decision", "kind", "not_told"})
#: Colours and the like, which programs put between letters.
_ESCAPES: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\^_]")
#: Half blocks, of which terminals draw codes.
_DRAWN: Final = re.compile(r"[\u2580-\u259f]")
_NUMBER, _CODE = "<number>", "<code>"

#: What is replaced, in this order, and by what. Each takes time in proportion to the text's length.
_RULES: Final[Sequence[tuple[re.Pattern[str], str]]] = (
    # Chats, whoever they are of; e-mail addresses; whole numbers of phones, with and without their separators.
    (re.compile(r"(?<![\w.+-])[\w.+-]++@(?:c\.us|s\.whatsapp\.net|lid|g\.us|newsletter|broadcast)\b"), "<chat>"),
    (re.compile(r"(?<![\w.+-])[\w.+-]++@[\w-]++\.[\w.-]++"), "<address>"),
    (re.compile(r"\+\d[\d ()/.-]{5,22}\d"), _NUMBER),
    (re.compile(r"(?<![\d.:T-])\(?\d{2,4}\)?[. -]{1,2}\d{3,4}[. -]\d{4}(?![\d:-]|\.\d)"), _NUMBER),
    (re.compile(r"(?<![\d.:T-])\d{3,5}(?:[ -]\d{3,5}){1,3}(?![\d:.-])"), _NUMBER),
    (re.compile(r"(?<![\d.:T-])\d{2}(?:[. -]\d{2}){4}(?![\d:-]|\.\d)"), _NUMBER),
    (re.compile(r"(?<![\d.])\d{7,}+(?!\.[\d.]*\d)"), _NUMBER),
    # A code to type, as WhatsApp makes it (its letters and digits leave some out) or shows it; what follows a question
    # mark in a URL, which may be a signature.
    (re.compile(r"\b[A-Z0-9]{4}-[A-Z0-9]{4}\b"), _CODE),
    (re.compile(r"\b(?:[1-9A-HJ-NP-TV-Z]{8}|(?=[A-Z]*[0-9])[A-Z0-9]{8})\b"), _CODE),
    (re.compile(r"(https?://[^\s?#\"'<>]++)[?#][^\s\"'<>]*"), r"\1?<query>"),
    # Whatever may be a key, a token or an image: long words of letters and digits.
    (re.compile(r"(?<![\w+/=-])(?=[\w+=-]*\d)(?=[\w+=-]*[A-Za-z])[\w+=-]{16,}+[\w+/=-]*"), "<token>"),
    (
        re.compile(r"(?<![\w+/=-])(?=[\w+/=-]*\d)(?=[\w+/=-]*[A-Z])(?=[\w+/=-]*[a-z])[\w+/=-]{20,}(?![\w.])"),
        "<token>",
    ),
    (re.compile(r"[A-Za-z0-9+=_-]{32,}|[A-Za-z0-9+/=_-]{64,}"), "<token>"),
)
_NAMES: Final = (
    r"\w*(?:text|body|caption|content|conversation|message|msg|name|notify|subject|to|from|chat|contact|number|phone|"
    r"key|code|token|secret|password)"
)
#: In what programs print: the rest of a line behind a variable, a field that holds texts or names, or a quote that does
#: not end.
_REST_RULES: Final[Sequence[tuple[re.Pattern[str], str]]] = (
    (re.compile(r"\b([A-Z][A-Z0-9_]+)=\S.*"), r"\1=" + HIDDEN_TEXT),
    (re.compile(rf"(?i)\b({_NAMES})([\"']?\s*[:=]\s*)\S.*"), r"\1\2" + HIDDEN_TEXT),
)
_QUOTED: Final = re.compile(r"\"[^\"]*\"|'[^']*'|`[^`]*`|“[^”]*”|«[^»]*»")
_UNENDED: Final = re.compile(r"(?:[\"`“«]|(?<!\w)').*")
#: How a line begins that does not go on with the text of the one before it.
_BEGINS: Final = re.compile(
    r"\s+at |[\[{<(]|\d{4}-\d\d-\d\d|\d\d:\d\d|[A-Z][A-Z0-9_]+=|\w*(?:Error|Exception|Warning)\b|"
    r"(?i:(?:error|warn|warning|info|debug|log|fatal|trace|verbose)\b)|"
    rf"(?i:\s*[\"']?{_NAMES}[\"']?\s*[:=])"
)


class Scrubber:
    """Knows what must not be told.

    `kept` are ids that may stand although they look like tokens; `others` ids that are replaced wherever they stand.
    """

    def __init__(self, secrets: Iterable[str], kept: Iterable[str], others: Collection[str] = ()) -> None:
        known = {each.strip() for each in secrets}
        self._secrets = sorted((each for each in known if len(each) >= _SECRET_MIN_CHARS), key=len, reverse=True)
        self._kept = [each for each in dict.fromkeys(kept) if _looks_like_token(each)]
        self._others = frozenset(others) - frozenset(kept)

    def document(self, value: "Json") -> "Json":
        """Return a JSON value with every text in it scrubbed, names of members aside."""
        return self._scrubbed(redacted(value))  # type: ignore[arg-type]  # JSON stays JSON

    def log(self, text: str) -> str:
        """Return what a program has printed: what it says in its own words, and when."""
        return "\n".join(self._lines(_ESCAPES.sub("", text).splitlines()))

    def text(self, text: str) -> str:
        """Return a text of ours without secrets, codes, numbers and addresses."""
        return self._applied(text)[0]

    def _scrubbed(self, value: "Json", name: str = "") -> "Json":
        match value:
            case str():
                return self.log(value) if name in _FREE else self.text(value)
            case Mapping():
                return {key: self._scrubbed(each, key) for key, each in value.items()}
            case Sequence():
                return [self._scrubbed(each, name) for each in value]
            case _:
                return value

    def _lines(self, lines: Iterable[str]) -> Iterator[str]:
        """Yield lines; of a text that was hidden, those that it goes on with are hidden too."""
        is_hidden = False
        for line in lines:
            if _DRAWN.search(line) or (is_hidden and not _BEGINS.match(line)):
                continue
            shown, is_hidden = self._applied(line, of_program=True)
            yield shown

    def _applied(self, text: str, *, of_program: bool = False) -> tuple[str, bool]:
        """Return a text without what must not be told, and whether its rest was hidden."""
        text = printable(_ESCAPES.sub("", text))
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN_TEXT)
        text = _cut(text)
        for place, name in enumerate(self._kept):
            text = re.sub(rf"(?<![\w@.-]){re.escape(name)}(?![\w@.-])", _mark(place), text)
        if self._others:
            text = re.sub(r"[\w-]++", lambda word: "<session>" if word[0] in self._others else word[0], text)
        text, count = str(redacted(text)), 0
        if of_program:
            text, count = _of_program(text)
        for pattern, instead in _RULES:
            text = pattern.sub(instead, text)
        for place, name in enumerate(self._kept):
            text = text.replace(_mark(place), name)
        return text[:_LINE_MAX_CHARS], count > 0


def _of_program(text: str) -> tuple[str, int]:
    """Return what a program says in its own words, and how often the rest of the line was hidden."""
    count = 0
    for pattern, instead in _REST_RULES:
        text, more = pattern.subn(instead, text)
        count += more
    text = _QUOTED.sub(_mark_quoted(), text)
    text, more = _UNENDED.subn(HIDDEN_TEXT, text)
    return text.replace(_mark_quoted(), f'"{HIDDEN_TEXT}"'), count + more


def _cut(text: str) -> str:
    """Return the beginning of a text that is too long, without the word that is cut: half a secret is none of ours."""
    if len(text) <= _LINE_MAX_CHARS:
        return text
    begun = re.search(r"[^\s,;]*\Z", text[:_LINE_MAX_CHARS])
    return text[: begun.start() if begun else 0]


def _looks_like_token(session_id: str) -> bool:
    """Tell whether a rule would take this id, and not because it is a number or a code, which must not be told."""
    for pattern, instead in _RULES:
        if pattern.fullmatch(session_id) and instead in {_NUMBER, _CODE}:
            return False
    return any(map(str.isalpha, session_id)) and any(pattern.search(session_id) for pattern, _instead in _RULES)


def _mark(place: int) -> str:
    """Return what stands for a name while the rest is scrubbed; no text holds it, for it cannot be printed."""
    return f"\x01{place}\x02"


def _mark_quoted() -> str:
    """Return what stands for a text in quotes until those are found that do not end."""
    return "\x03"
