"""When a person has asked not to be written to any more, and when so many do that the engine must be mistaken.

Only a message that is nothing but a keyword counts: whoever writes more than that means more than that.
"""

import re
import unicodedata
from collections.abc import Collection

from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.values import dataclass

#: Words that are asked of people in such messages and that nobody says in ordinary talk. So those of carriers that do
#: occur there (CANCEL, END, QUIT: "cancel" answers "your table for tonight?") are left to whoever wants them. The
#: Chinese ones are "unsubscribe" in both scripts.
DEFAULT_KEYWORDS = ("STOP", "STOPALL", "UNSUBSCRIBE", "OPTOUT", "OPT-OUT", "退訂", "退订", "取消訂閱", "取消订阅")
KEYWORDS_MAX = 100
KEYWORD_MAX_CHARS = 64
#: A keyword with all the spaces somebody may put into it; what is longer is not looked at.
MESSAGE_MAX_CHARS = 256
#: How many opt-outs of one session are believed: this many a second over time, and this many at once. Among hundreds of
#: replies to a batch two fall into one second by chance, and some come together after the session was away.
FLOOD_PER_S = 1.0
FLOOD_BURST = 3

#: Spaces, and marks that nobody sees.
_IGNORED = re.compile(r"[\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe0e\ufe0f\ufeff]+")


@dataclass(frozen=True, slots=True)
class OptOutKeywords:
    """The keywords of this daemon, as messages are compared with them; built by `keywords_of`."""

    compared: frozenset[str]

    def is_opt_out(self, text: str) -> bool:
        """Tell whether a whole message is one of the keywords; case, spaces and wide letters make no difference."""
        return len(text) <= MESSAGE_MAX_CHARS and _compared(text) in self.compared


def keywords_of(words: Collection[str] = DEFAULT_KEYWORDS) -> OptOutKeywords:
    """Return the keywords that are set; none at all means that nobody opts out by a message.

    Raises:
        InvalidInputError: there are too many, one is too long, or one is nothing but spaces.
    """
    if len(words) > KEYWORDS_MAX:
        raise InvalidInputError("opt_out_keywords", f"at most {KEYWORDS_MAX} keywords are looked for")
    if any(len(word) > KEYWORD_MAX_CHARS for word in words):
        raise InvalidInputError("opt_out_keywords", f"a keyword has at most {KEYWORD_MAX_CHARS} characters")
    compared = frozenset(map(_compared, words))
    if "" in compared:
        raise InvalidInputError("opt_out_keywords", "a keyword must not be empty")
    return OptOutKeywords(compared)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOutRate:
    """How many opt-outs of one session came lately: `level` of them at `at`, of which one a second is forgotten."""

    level: float = 0.0
    at: float = 0.0

    def counted(self, at: float) -> tuple["OptOutRate", bool]:
        """Return the rate after one more opt-out at `at` (seconds, any clock), and whether that is a flood.

        In a flood people are still put on the list, but nothing is cancelled: an engine that is broken, or in somebody
        else's hands, could empty a whole queue. What is part of a flood does not count, so it ends when they come
        slowly again.
        """
        level = max(0.0, self.level - max(0.0, at - self.at) * FLOOD_PER_S)
        if level + 1 > FLOOD_BURST:
            return OptOutRate(level=level, at=at), True
        return OptOutRate(level=level + 1, at=at), False


def _compared(text: str) -> str:
    return _IGNORED.sub("", unicodedata.normalize("NFKC", text).casefold())
