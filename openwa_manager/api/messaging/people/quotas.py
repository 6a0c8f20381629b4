"""Shows and sets how many messages a user may send in a month."""

from aiohttp import web

from openwa_manager.api.messaging.people.models import QuotaIn, QuotaOut
from openwa_manager.api.messaging.people.paths import user_id_in
from openwa_manager.api.requests import Nothing
from openwa_manager.api.routing import Call, Route, json_answer, route
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.times import iso8601
from openwa_manager.services.messaging.people.quotas import Quotas, QuotaView

_PATH = "/v1/users/{user_id}/quota"


class QuotaRoutes:
    """`/v1/users/{user_id}/quota`."""

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = quotas

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        return (
            route(f"GET {_PATH}", Role.OPERATOR, self.show, Nothing, {200: (QuotaOut,)}),
            route(f"PUT {_PATH}", Role.OPERATOR, self.change, QuotaIn, {200: (QuotaOut,), 507: ()}),
        )

    async def show(self, call: Call[Nothing]) -> web.Response:
        """Show what a user has taken of this calendar month, and how much that may be."""
        return json_answer(_out(await self._quotas.show(user_id_in(call.request))))

    async def change(self, call: Call[QuotaIn]) -> web.Response:
        """Set how many messages a user may send in a calendar month; what is accepted already is sent all the same."""
        limit = call.arguments.messages_limit
        return json_answer(_out(await self._quotas.set_limit(user_id_in(call.request), limit)))


def _out(view: QuotaView) -> QuotaOut:
    return QuotaOut(
        messages_limit=view.use.limit,
        messages_used_this_month=view.use.used_count,
        messages_reserved=view.use.reserved_count,
        resets_at=iso8601(view.resets_at),
    )
