"""The page of a pairing link, in a real browser."""

import re
from typing import TYPE_CHECKING

import pytest

from openwa_manager.domain.session.session import Status
from tests.api.world import World
from tests.browser.conftest import Look, OpenPhone, address_of

if TYPE_CHECKING:
    from playwright.async_api import Route

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

QUICK = {"SIM_QR_DELAY_S": "0.05"}
LOOKS = [
    Look(width=width, language=language, scheme=scheme)
    for width in (320, 390, 1280)
    for language in ("en-US", "es-MX")
    for scheme in ("light", "dark")
]

#: The least contrast of each text on what lies under it (WCAG 2, 1.4.3), measured in the page itself.
CONTRAST = """() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = parts(colour).map((each) => {
      const share = each / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const under = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      const seen = parts(colour);
      if (seen.length < 4 || seen[3] > 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const ratios = [];
  for (const element of document.querySelectorAll("main *")) {
    const has_text = [...element.childNodes].some((each) => each.nodeType === 3 && each.textContent.trim());
    if (!has_text || !element.checkVisibility()) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(under(element))].sort((x, y) => y - x);
    ratios.push((a + 0.05) / (b + 0.05));
  }
  return Math.min(...ratios);
}"""


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
async def test_everybody_can_read_it_from_the_button_to_the_link(
    world: World, open_phone: OpenPhone, look: Look
) -> None:
    await world.create(session_id="a", desired="stopped", env=QUICK)
    phone = await open_phone(look)

    await phone.page.goto(address := await address_of(world))
    await phone.picture(f"{look.name}-1-button")
    assert await phone.page.evaluate(CONTRAST) >= 4.5
    assert not await phone.is_too_wide()
    assert world.sessions.get("a").status is Status.STOPPED

    await phone.page.get_by_role("button").click()
    code = phone.page.locator("#image[src^='data:image/png']")
    await code.wait_for(state="visible")
    await phone.page.locator("#left:not(:empty)").wait_for()
    box = await code.bounding_box()
    assert box is not None
    assert box["width"] >= 240
    await phone.picture(f"{look.name}-2-code")
    assert await phone.page.evaluate(CONTRAST) >= 4.5
    assert not await phone.is_too_wide()

    await phone.page.locator("summary").click()
    await phone.page.get_by_role("textbox").fill("+852 5123 4567")
    await phone.page.locator("#get").click()
    letters = phone.page.locator("#letters:not(:empty)")
    await letters.wait_for(state="visible")
    await phone.picture(f"{look.name}-3-number")
    assert await phone.page.evaluate(CONTRAST) >= 4.5
    assert not await phone.is_too_wide()

    await world.play("a", "scan")
    await phone.page.locator("#linked").wait_for(state="visible")
    await phone.picture(f"{look.name}-4-linked")
    assert await phone.page.evaluate(CONTRAST) >= 4.5

    assert phone.complaints == []
    assert all(each.startswith((address, "data:")) for each in phone.fetched), phone.fetched


async def test_the_code_changes_and_is_counted_down(world: World, open_phone: OpenPhone) -> None:
    await world.create(session_id="a", desired="stopped", env={**QUICK, "SIM_QR_ROTATE_S": "2"})
    phone = await open_phone(Look())
    await phone.page.goto(await address_of(world))
    await phone.page.get_by_role("button").click()
    image = phone.page.locator("#image[src^='data:image/png']")
    await image.wait_for(state="visible")

    first = await image.get_attribute("src")
    await phone.page.wait_for_function("first => document.getElementById('image').src !== first", arg=first)

    left = await phone.page.locator("#left").text_content()
    assert re.fullmatch(r"A new code comes in \d+ seconds?", left or "")


async def test_the_browser_that_pressed_the_button_is_the_only_one(world: World, open_phone: OpenPhone) -> None:
    await world.create(session_id="a", desired="stopped", env=QUICK)
    address = await address_of(world)
    phone, thief = await open_phone(Look()), await open_phone(Look())
    await phone.page.goto(address)
    await phone.page.get_by_role("button").click()
    await phone.page.locator("#image[src]").wait_for(state="visible")

    await thief.page.goto(address)
    await thief.page.get_by_role("button").click()
    await thief.page.get_by_text("open elsewhere").wait_for()
    await thief.picture("elsewhere")
    assert await thief.page.locator("#image").count() == 0

    (cookie,) = await phone.context.cookies()
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")
    assert cookie["name"].startswith("__Host-")
    await phone.page.goto(address)
    await phone.page.get_by_role("button").click()
    await phone.page.locator("#image[src]").wait_for(state="visible")


async def test_a_wrong_number_is_told_and_may_be_put_right(world: World, open_phone: OpenPhone) -> None:
    await world.create(session_id="a", desired="stopped", env=QUICK)
    phone = await open_phone(Look(width=320, language="es-MX", scheme="dark"))
    await phone.page.goto(await address_of(world, phone_number="+85251234567"))
    await phone.page.get_by_role("button").click()
    await phone.page.locator("#image[src]").wait_for(state="visible")
    await phone.picture("only-number")

    await world.play("a", "scan")

    await phone.page.locator("#wrong_number").wait_for(state="visible")
    await phone.picture("wrong-number")
    assert await phone.page.get_by_text("termina en 4567").locator("visible=true").count() == 1
    await phone.page.locator("#wrong_number button").click()
    await phone.page.locator("#image[src]").wait_for(state="visible")


async def test_bad_numbers_are_explained(world: World, open_phone: OpenPhone) -> None:
    await world.create(session_id="a", desired="stopped", env=QUICK)
    phone = await open_phone(Look())
    await phone.page.goto(await address_of(world))
    await phone.page.get_by_role("button").click()
    await phone.page.locator("#image[src]").wait_for(state="visible")

    await phone.page.locator("summary").click()
    await phone.page.get_by_role("textbox").fill("0171 123")
    await phone.page.locator("#get").click()

    await phone.page.get_by_role("alert").filter(has_text="country code").wait_for()
    await phone.picture("bad-number")


async def test_a_page_whose_time_is_over_says_so(world: World, open_phone: OpenPhone) -> None:
    await world.create(session_id="a", desired="stopped", env=QUICK)
    phone = await open_phone(Look())
    await phone.page.goto(address := await address_of(world))
    await phone.page.get_by_role("button").click()
    await phone.page.locator("#image[src]").wait_for(state="visible")

    await world.call("DELETE", "/v1/sessions/a")

    await phone.page.locator("#over").wait_for(state="visible")
    await phone.picture("over")
    await phone.page.goto(address)
    await phone.page.get_by_text("This page has ended").wait_for()
    await phone.picture("ended")


async def test_the_page_goes_on_when_nobody_scans_in_time(world: World, open_phone: OpenPhone) -> None:
    await world.create(session_id="a", desired="stopped", env=QUICK)
    phone = await open_phone(Look())
    await phone.page.goto(await address_of(world))
    await phone.page.get_by_role("button").click()
    await phone.page.locator("#image[src]").wait_for(state="visible")

    await world.call("POST", "/v1/sessions/a/stop?wait=20")

    await phone.page.locator("#resting").wait_for(state="visible")
    await phone.picture("resting")
    await phone.page.locator("#resting button").click()
    await phone.page.locator("#image[src]").wait_for(state="visible")


async def test_a_page_comes_back_after_a_proxy_that_found_no_daemon(world: World, open_phone: OpenPhone) -> None:
    await world.create(session_id="a", desired="stopped", env=QUICK)
    phone = await open_phone(Look())
    left = [2]

    async def answer(route: "Route") -> None:
        if route.request.method == "GET" and left[0]:
            left[0] -= 1
            await route.fulfill(status=502, body="Bad Gateway")
        else:
            await route.continue_()

    await phone.page.route("**/events", answer)
    await phone.page.goto(await address_of(world))
    await phone.page.get_by_role("button").click()
    await phone.page.locator("#offline").wait_for(state="visible")

    await phone.page.locator("#image[src]").wait_for(state="visible")

    assert left == [0]
    assert not await phone.page.locator("#offline").is_visible()
