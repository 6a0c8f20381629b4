"""Shows and sets how many messages a user may send in a month."""

from aiohttp import web

from openwa_manager.api.messaging.people.models import QuotaIn, QuotaOut
from openwa_manager.api.messaging.people.paths import user_id_in
from openwa_manager.api.requests import Nothing
from openwa_manager.api.routing import Call, Route, json_answer, route
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.times import iso8601
from openwa_manager.services.messaging.people.quotas import Quotas, QuotaView
from openwa_manager.services.messaging.people.user_sessions import UserSessions

_PATH = "/v1/users/{user_id}/quota"


class QuotaRoutes:
    """`/v1/users/{user_id}/quota`."""

    def __init__(self, quotas: Quotas, users: UserSessions) -> None:
        self._quotas = quotas
        self._users = users

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        return (
            route(f"GET {_PATH}", Action.READ_QUOTA, self.show, Nothing, {200: (QuotaOut,)}),
            route(f"PUT {_PATH}", Action.CHANGE_QUOTA, self.change, QuotaIn, {200: (QuotaOut,), 507: ()}),
        )

    async def show(self, call: Call[Nothing]) -> web.Response:
        """Show what a user has taken of this calendar month, and how much that may be."""
        return json_answer(_out(await self._quotas.show(await user_id_in(call.request, self._users))))

    async def change(self, call: Call[QuotaIn]) -> web.Response:
        """Set how many messages a user may send in a calendar month; what is accepted already is sent all the same."""
        user_id = await user_id_in(call.request, self._users)
        return json_answer(_out(await self._quotas.set_limit(user_id, call.arguments.messages_limit)))


def _out(view: QuotaView) -> QuotaOut:
    return QuotaOut(
        messages_limit=view.use.limit,
        messages_used_this_month=view.use.used_count,
        messages_reserved=view.use.reserved_count,
        resets_at=iso8601(view.resets_at),
    )
