"""Who presses the button: the page itself, never that of another site."""

import pytest

from openwa_manager.domain.session.session import Status
from tests.api.pairing.visitor import Visitor, make_link
from tests.api.world import World

QUICK = {"SIM_QR_DELAY_S": "0.05"}


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "https://["}],
)
async def test_the_page_of_another_site_cannot_press_the_button(world: World, headers: dict[str, str]) -> None:
    await world.create(session_id="a", desired="stopped")
    path = await make_link(world)
    visitor = Visitor(world, headers=headers)

    reply = await visitor.press(path)

    assert reply.status == 403
    assert world.sessions.get("a").status is Status.STOPPED


@pytest.mark.parametrize("headers", [{"Origin": "https://wa.example.com"}, {"Sec-Fetch-Site": "same-origin"}, {}])
async def test_the_page_itself_presses_it(world: World, headers: dict[str, str]) -> None:
    await world.create(session_id="a", desired="stopped", env=QUICK)

    assert (await Visitor(world, headers=headers).press(await make_link(world))).status == 200
