"""What the paths of the calls about people name: a user, a session without one, a person."""

import re

from aiohttp import web

from openwa_manager.api.admission.rights import caller_of, session_id_in
from openwa_manager.domain.errors import IllegalTransitionError, InvalidInputError
from openwa_manager.domain.messaging.messages import UserKey, key_of_user, user_key_of
from openwa_manager.services.messaging.people.user_sessions import UserSessions
from openwa_manager.services.sessions.directory import SessionDirectory

_USER_ID = re.compile(r"[^\x00-\x1f\x7f]{1,128}")


async def user_id_in(request: web.Request, users: UserSessions) -> str:
    """Return the user the path names; nobody need know him, but a caller with limits must know of all his sessions.

    Raises:
        InvalidInputError: no user can have that id.
        UserNotFoundError: the caller may not know of all his sessions.
    """
    user_id: str = request.match_info["user_id"]
    if not _USER_ID.fullmatch(user_id):
        raise InvalidInputError("user_id", "must have 1 to 128 characters, none of them a control character")
    await users.require(user_id, caller_of(request).scope)
    return user_id


async def user_key_in(request: web.Request, sessions: SessionDirectory, users: UserSessions) -> UserKey:
    """Return whose list the path names: a user's, or that of a session without user.

    Raises:
        InvalidInputError: no user can have that id.
        UserNotFoundError: the caller may not know of all his sessions.
        SessionNotFoundError: there is no such session.
        IllegalTransitionError: the session has a user, whose list is meant.
    """
    if "user_id" in request.match_info:
        return key_of_user(await user_id_in(request, users))
    session = sessions.get(session_id_in(request))
    if session.spec.user_id is not None:
        raise IllegalTransitionError("the session has a user: its list is at /v1/users/{user_id}/suppressions")
    return user_key_of(session.session_id, None)
