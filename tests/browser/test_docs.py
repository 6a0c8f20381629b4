"""The pages at `/docs`, in a real browser: read, searched by keys, on small windows, in the dark, without a script."""

import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.api.world import World
from tests.browser.conftest import Look, OpenPhone, Phone

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

LOOKS = [Look(width=width, scheme=scheme) for width in (320, 768, 1280) for scheme in ("light", "dark")]
PAGES = ("", "/install", "/sending", "/design", "/api", "/api/messages", "/search?q=queue")
#: The least contrast of each text on what lies under it (WCAG 2, 1.4.3) is among what axe looks at.
AXE = "axe-core@4.11"


def at(world: World, path: str) -> str:
    return f"http://127.0.0.1:{world.port}/docs{path}"


async def hits(phone: Phone) -> list[str]:
    found: list[str] = await phone.page.locator("#hits a").evaluate_all(
        "all => all.map(each => each.pathname + each.hash)"
    )
    return found


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
async def test_every_kind_of_page_fits_the_window(world: World, open_phone: OpenPhone, look: Look) -> None:
    phone = await open_phone(look)

    for path in PAGES:
        await phone.page.goto(at(world, path))
        await phone.picture(f"docs{path.replace('/', '-').partition('?')[0]}-{look.width}-{look.scheme}")
        assert not await phone.is_too_wide(), path
        assert await phone.page.locator("h1").is_visible()

    assert phone.complaints == []
    assert all(each.startswith(at(world, "")) for each in phone.fetched), phone.fetched


async def test_search_is_a_matter_of_keys(world: World, open_phone: OpenPhone) -> None:
    phone = await open_phone(Look(width=1280))
    await phone.page.goto(at(world, "/install"))
    keys = phone.page.keyboard

    await keys.press("/")
    await keys.type("opted_out")
    await phone.page.locator("#hits a").first.wait_for()
    await phone.picture("docs-search-box")
    asked = len(phone.fetched)
    await keys.type(" ")
    await keys.press("Backspace")
    assert len(phone.fetched) == asked
    await keys.press("ArrowDown")
    await keys.press("ArrowDown")
    await keys.press("ArrowUp")
    first = (await hits(phone))[0]
    await keys.press("Enter")
    await phone.page.wait_for_url(f"**{first}")

    assert await phone.page.locator(":target").count() == 1
    await keys.press("/")
    await keys.type("queue")
    await phone.page.locator("#hits a").first.wait_for()
    await keys.press("Escape")
    assert await phone.page.locator("#hits").is_hidden()
    await keys.press("Enter")
    await phone.page.wait_for_url("**/docs/search?q=queue")
    assert await phone.page.locator("main .hits a").count() > 10
    assert phone.complaints == []


@pytest.mark.parametrize("query", ["queue", "qr code", "POST /v1/sessions", "hold", "a e i o", "<b>", "nowhere at all"])
async def test_the_box_finds_what_the_server_finds(world: World, open_phone: OpenPhone, query: str) -> None:
    phone = await open_phone(Look(width=1280))
    await phone.page.goto(at(world, f"/search?q={query.replace(' ', '+')}"))
    of_server: list[str] = await phone.page.locator("main .hits a").evaluate_all(
        "all => all.map(each => each.pathname + each.hash)"
    )

    await phone.page.locator("#q").fill(query)
    await phone.page.locator("#said:not(:empty)").wait_for(state="attached")

    assert await hits(phone) == of_server


async def test_without_a_script_all_but_the_buttons_is_there(world: World, open_phone: OpenPhone) -> None:
    phone = await open_phone(Look(width=320))
    browser = phone.context.browser
    assert browser is not None
    without = await browser.new_context(java_script_enabled=False, viewport={"width": 320, "height": 700})
    page = await without.new_page()
    try:
        await page.goto(at(world, "/sending"))
        assert await page.get_by_role("navigation", name="Pages").count() == 0
        await page.get_by_role("button", name="Pages").click()
        await page.get_by_role("navigation", name="Pages").get_by_role("link", name="HTTP API").click()
        await page.wait_for_url("**/docs/api")
        await page.locator("#q").fill("pairing")
        await page.locator("#q").press("Enter")
        await page.wait_for_url("**/docs/search?q=pairing")
        assert await page.locator("main .hits a").count() > 3
        await page.goto(at(world, "/api/messages#messages_enqueue"))
        await page.locator("details.call").first.locator("summary").click()
        assert await page.locator("details.call[open]").count() >= 1
        assert await page.locator(".copy").count() == 0
    finally:
        await without.close()


async def test_a_link_to_a_call_opens_it(world: World, open_phone: OpenPhone) -> None:
    phone = await open_phone(Look(width=1280))
    await phone.page.goto(at(world, "/api"))

    link = phone.page.locator("main a[href*='/docs/api/sessions#']").nth(1)
    address = await link.get_attribute("href")
    await link.click()
    await phone.page.wait_for_url(f"**{address}")

    assert await phone.page.locator(":target").is_visible()
    await phone.picture("docs-call")


async def test_code_is_copied_as_it_stands(world: World, open_phone: OpenPhone) -> None:
    phone = await open_phone(Look(width=1280))
    await phone.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await phone.page.goto(at(world, "/sending"))
    code = phone.page.locator(".code").first

    await code.hover()
    await code.get_by_role("button", name="Copy").click()
    await code.get_by_role("button", name="Copied").wait_for()

    copied = await phone.page.evaluate("navigator.clipboard.readText()")
    assert copied == await code.locator("pre").text_content()
    assert phone.complaints == []


async def test_the_first_key_skips_to_the_text(world: World, open_phone: OpenPhone) -> None:
    phone = await open_phone(Look(width=1280))
    await phone.page.goto(at(world, "/sending"))

    await phone.page.keyboard.press("Tab")
    await phone.page.keyboard.press("Enter")

    assert await phone.page.evaluate("document.activeElement.id") == "text"


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Fetch what looks for barriers; skipped where there is no npm, or no registry."""
    folder: Path = tmp_path_factory.mktemp("axe")
    try:
        done = subprocess.run(("npm", "pack", "--silent", AXE), cwd=folder, check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"needs axe-core from npm: {error}")
    with tarfile.open(folder / done.stdout.decode().strip()) as archive:
        script = archive.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode()


@pytest.mark.registry
@pytest.mark.parametrize("look", [Look(width=1280), Look(width=320, scheme="dark")], ids=lambda look: look.name)
async def test_nobody_is_kept_out(world: World, open_phone: OpenPhone, axe: str, look: Look) -> None:
    phone = await open_phone(look)

    for path in PAGES:
        await phone.page.goto(at(world, path))
        await phone.page.evaluate(axe)
        found: dict[str, Any] = await phone.page.evaluate("axe.run()")
        violations = [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found["violations"]]
        assert violations == [], path
