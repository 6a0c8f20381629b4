"""Tells who may get at what is kept of a user: whoever may know of every session that he has, or ever had."""

from functools import partial

from openwa_manager.domain.access.scopes import SessionScope
from openwa_manager.domain.errors import UserNotFoundError
from openwa_manager.domain.session.session import SessionId, user_of
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.store.messaging.people import user_sessions
from openwa_manager.store.messaging.people.user_sessions import Coverage


class UserSessions:
    """Compares the sessions of users with the scopes of callers."""

    def __init__(self, records: MessageRecords) -> None:
        self._records = records

    async def require(self, user_id: str, scope: SessionScope) -> None:
        """Return if a scope covers every session of a user; without limits it need not be known whether he has any.

        Raises:
            UserNotFoundError: it does not, or there is no such user.
        """
        if scope.is_unlimited:
            return
        found = await self._coverage(user_id, scope)
        if not found.has_some or found.has_others:
            raise UserNotFoundError("there is no such user")

    async def require_joinable(
        self, user_id: str, session_id: SessionId, present_user_id: str | None, scope: SessionScope
    ) -> None:
        """Return if a session in a scope may be made for a user: the sessions of a user share quota and opt-outs.

        It may be for one that the session's id names, whose it is already (`present_user_id`), or all of whose sessions
        are in the scope. One who has none yet is nobody's: who may claim him could set his quota and opt-outs before
        he comes, and would be told which users there are.

        Raises:
            UserNotFoundError: it may not.
        """
        if scope.is_unlimited or user_id in (present_user_id, user_of(session_id)):
            return
        await self.require(user_id, scope)

    async def _coverage(self, user_id: str, scope: SessionScope) -> Coverage:
        return await self._records.read(partial(user_sessions.coverage, user_id=user_id, scope=scope))
