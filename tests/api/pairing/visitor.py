"""A browser, as far as HTTP goes: it keeps cookies, presses buttons, and reads what a page is told."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie

from aiohttp import ClientResponse

from openwa_manager.domain.delivery.events import Json
from tests.api.pairing.building import PUBLIC_URL
from tests.api.world import Object, Reply, World


async def make_link(world: World, session_id: str = "a", key: str | None = None, **body: Json) -> str:
    """Make a link with a key (None: the admin's); return the path of its page."""
    headers = {} if key is None else {"X-API-Key": key}
    reply = await world.call("POST", f"/v1/sessions/{session_id}/pairing-links", body, headers=headers)
    assert reply.status == 201, reply.raw
    url = str(reply.json["url"])
    assert url.startswith(f"{PUBLIC_URL}/pair/")
    return url.removeprefix(PUBLIC_URL)


@dataclass
class Visitor:
    """One browser; it comes under the name by which this host is known outside."""

    world: World
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    set_cookies: list[str] = field(default_factory=list)

    def _headers(self) -> dict[str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"Host": "wa.example.com", "Cookie": cookies, **self.headers}

    async def ask(self, method: str, path: str, body: object = None) -> Reply:
        async with self.world.client.request(method, path, json=body, headers=self._headers()) as answer:
            for header in answer.headers.getall("Set-Cookie", []):
                self.set_cookies.append(header)
                self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(header).items()}
            return Reply(answer.status, dict(answer.headers), await answer.read())

    async def open(self, path: str) -> Reply:
        return await self.ask("GET", path)

    async def press(self, path: str) -> Reply:
        return await self.ask("POST", path)

    @asynccontextmanager
    async def watching(self, path: str) -> AsyncIterator["Watching"]:
        async with self.world.client.get(f"{path}/events", headers=self._headers()) as answer:
            assert answer.status == 200, await answer.read()
            yield Watching(answer)


@dataclass
class Watching:
    """A page that is told what to show."""

    answer: ClientResponse

    async def next(self) -> Object | None:
        """Return what it is told next; None at the end."""
        async for line in self.answer.content:
            if line.startswith(b"data: "):
                view: Object = json.loads(line.removeprefix(b"data: "))
                return view
        return None

    async def until(self, state: str) -> Object:
        """Return the first thing it is told with this state."""
        while (view := await self.next()) is not None:
            if view["state"] == state:
                return view
        raise AssertionError(f"never {state}")
