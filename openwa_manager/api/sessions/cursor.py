"""The cursor of a page of sessions: a position that stays right while sessions come and go."""

import base64
import binascii
import json
import math
from typing import NamedTuple

from openwa_manager.domain import foreign_json
from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.session.session import Session


class SessionPosition(NamedTuple):
    """A place in the order of sessions: by creation, then by id."""

    created_at: float
    session_id: str

    @classmethod
    def of(cls, session: Session) -> "SessionPosition":
        """Return where a session stands."""
        return cls(session.created_at, session.session_id)

    @classmethod
    def parse(cls, cursor: str | None) -> "SessionPosition":
        """Return the position a cursor names; without a cursor the one before all sessions.

        Raises:
            InvalidInputError: no page of ours gave this cursor.
        """
        if cursor is None:
            return cls(-math.inf, "")
        try:
            match foreign_json.parse(base64.b64decode(cursor, altchars=b"-_", validate=True)):
                case [float() as created_at, str() as session_id] if math.isfinite(created_at):
                    return cls(created_at, session_id)
                case _:
                    pass
        except (binascii.Error, ValueError):
            pass
        raise InvalidInputError("cursor", "comes from no page of ours")

    def cursor(self) -> str:
        """Return the text that `parse` reads."""
        return base64.urlsafe_b64encode(json.dumps([float(self.created_at), self.session_id]).encode()).decode("ascii")
