"""Which sessions a key is for, named by patterns."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass

#: A session's id, or its beginning up to a `_` or `-` and a `*`, or a `*` alone.
PATTERN_TEXT: Final = r"(?:[a-z0-9][a-z0-9_-]{0,62}|[a-z0-9][a-z0-9_-]{0,60}[_-]\*|\*)"
_PATTERN: Final = re.compile(PATTERN_TEXT)
_ALL: Final = "*"


@dataclass(frozen=True, slots=True)
class SessionScope:
    """The sessions that some patterns name: an id names one, `user_1_*` all that begin so, `*` every session.

    A `*` follows `_` or `-`, or stands alone: `user_1*` would name the sessions of `user_10` too.
    """

    patterns: tuple[str, ...]

    @property
    def is_unlimited(self) -> bool:
        """Tell whether it names every session, also those that are yet to come."""
        return _ALL in self.patterns

    def names(self, session_id: SessionId) -> bool:
        """Tell whether this session is one of them."""
        return session_id in self.patterns or session_id.startswith(_beginnings(self.patterns))

    def covers(self, pattern: str) -> bool:
        """Tell whether every session that `pattern` names, as endpoints and keys have them, is one of them."""
        return pattern in self.patterns or pattern.startswith(_beginnings(self.patterns))

    def covers_all(self, patterns: Iterable[str]) -> bool:
        """Tell whether every session that these patterns name is one of them."""
        return all(map(self.covers, patterns))


EVERY_SESSION: Final = SessionScope((_ALL,))


def scope_of(patterns: Iterable[str]) -> SessionScope:
    """Return the scope that these patterns make.

    Raises:
        InvalidInputError: one of them is no pattern.
    """
    found = tuple(dict.fromkeys(patterns))
    for pattern in found:
        if _PATTERN.fullmatch(pattern) is None:
            raise InvalidInputError(
                "sessions", "a pattern is a session's id, or its beginning up to a _ or - and a *, or * alone"
            )
    return SessionScope(found)


@lru_cache(maxsize=4096)  # asked for each call, and for each key there is when a list of them is read
def _beginnings(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """Return what the ids begin with that patterns with a `*` name; `*` alone names those that begin with nothing."""
    return tuple(each.removesuffix(_ALL) for each in patterns if each.endswith(_ALL))
