"""Where the API keeps what the commands about messages name."""

from urllib.parse import quote

from openwa_manager.cli.errors import UsageError
from openwa_manager.domain.errors import SessionNotFoundError
from openwa_manager.domain.session.session import is_session_id

#: Before a session's id: the session itself is meant, as the one whose user nobody knows.
_OF_SESSION = "session:"


def session_path(session_id: str) -> str:
    """Return where a session lies.

    Raises:
        SessionNotFoundError: no session can have that id.
    """
    if not is_session_id(session_id):
        raise SessionNotFoundError(f"there is no session {session_id!r}: ids are made of a-z, 0-9, - and _")
    return f"/v1/sessions/{session_id}"


def message_path(message_id: str) -> str:
    """Return where a message lies; raises SessionNotFoundError where none can."""
    return f"/v1/messages/{_part(message_id, 'message')}"


def batch_path(batch_id: str) -> str:
    """Return where a batch lies; raises SessionNotFoundError where none can."""
    return f"/v1/batches/{_part(batch_id, 'batch')}"


def quota_path(user_id: str) -> str:
    """Return where a user's quota lies.

    Raises:
        UsageError: a session is named, and only users have a quota.
        SessionNotFoundError: no user can have that id.
    """
    if user_id.startswith(_OF_SESSION):
        raise UsageError("only users have a quota: a session without a user has none")
    return f"/v1/users/{_part(user_id, 'user')}/quota"


def suppressions_path(whose: str, to: str | None = None) -> str:
    """Return where the list of a user, or of `session:ID`, lies, or what it says of one contact.

    Raises:
        SessionNotFoundError: there can be nothing of that name.
    """
    if whose.startswith(_OF_SESSION):
        owner = session_path(whose.removeprefix(_OF_SESSION))
    else:
        owner = f"/v1/users/{_part(whose, 'user')}"
    return f"{owner}/suppressions" if to is None else f"{owner}/suppressions/{_part(to, 'contact')}"


def _part(text: str, noun: str) -> str:
    """Return a text as one part of a path; `.` and `..` would lead to another place, and so would nothing."""
    if text in ("", ".", ".."):
        raise SessionNotFoundError(f"there is no {noun} {text!r}")
    return quote(text.encode("utf-8", "replace"), safe="")
