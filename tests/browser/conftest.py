"""A real Chromium, as phones and computers have it, in front of the whole daemon; skipped where there is none."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pytest_aiohttp import AiohttpClient

from tests.api.pairing.visitor import make_link
from tests.api.world import World, world_in

async_api = pytest.importorskip("playwright.async_api", reason="needs playwright: make test-browser")

from playwright.async_api import Browser, BrowserContext, Page, async_playwright  # noqa: E402

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
#: Where pictures of what people see are kept, for a person to look at; None: nowhere.
PICTURES = os.environ.get("PICTURES")


@dataclass
class Phone:
    """One browser with the page of a link open, and what went wrong in it."""

    page: Page
    context: BrowserContext
    complaints: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)

    async def picture(self, name: str) -> None:
        if PICTURES is not None:
            await self.page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)

    async def is_too_wide(self) -> bool:
        width: bool = await self.page.evaluate("document.documentElement.scrollWidth > innerWidth")
        return width


@dataclass
class Look:
    """How a browser looks at the page."""

    width: int = 390
    language: str = "en-US"
    scheme: str = "light"

    @property
    def name(self) -> str:
        return f"{self.language[:2]}-{self.width}-{self.scheme}"


OpenPhone = Callable[[Look], Awaitable[Phone]]


@pytest.fixture
async def world(tmp_path: Path, aiohttp_client: AiohttpClient) -> AsyncIterator[World]:
    async with world_in(tmp_path, aiohttp_client) as built:
        yield built


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium: on Debian, apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


@pytest.fixture
async def open_phone(chromium: Browser) -> AsyncIterator[OpenPhone]:
    async with AsyncExitStack() as stack:

        async def open_phone(look: Look) -> Phone:
            context = await chromium.new_context(
                viewport={"width": look.width, "height": 800},
                locale=look.language,
                color_scheme="dark" if look.scheme == "dark" else "light",
                reduced_motion="reduce",
            )
            stack.push_async_callback(context.close)
            phone = Phone(page=await context.new_page(), context=context)
            phone.page.on("console", lambda said: phone.complaints.append(said.text) if said.type == "error" else None)
            phone.page.on("pageerror", lambda error: phone.complaints.append(str(error)))
            phone.page.on("request", lambda request: phone.fetched.append(request.url))
            return phone

        yield open_phone


async def address_of(world: World, session_id: str = "a", **body: str) -> str:
    """Make a link and return where a browser on this host finds its page."""
    return f"http://127.0.0.1:{world.port}{await make_link(world, session_id, **body)}"
