"""Shows the metrics that Prometheus scrapes."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from openwa_manager.api.requests import Nothing
from openwa_manager.api.routing import Call, Route, route
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.access.scopes import SessionScope
from openwa_manager.metrics.exposition import expose
from openwa_manager.metrics.scrape import PartialScrape, Scrape

_TEXT = "text/plain"


class MetricsRoutes:
    """`/metrics`."""

    def __init__(self, measure: Callable[[SessionScope], Awaitable[Scrape | PartialScrape]]) -> None:
        self._measure = measure

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        return (route("GET /metrics", Action.READ_METRICS, self.show, Nothing, {200: (_TEXT,)}),)

    async def show(self, call: Call[Nothing]) -> web.Response:
        """Show the daemon's numbers in Prometheus's text format; a key with limits gets those of its sessions alone."""
        accept = call.request.headers.get("Accept", "")
        body, media_type = await asyncio.to_thread(expose, await self._measure(call.caller.scope), accept)
        return web.Response(body=body, headers={"Content-Type": media_type})
