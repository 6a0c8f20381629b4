"""What a page shows, to whom, and what it never does."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import SessionId, Status
from openwa_manager.engines.mapping import inner_name
from openwa_manager.simulator.whatsapp.credentials import account_of
from tests.api.pairing.visitor import Visitor, make_link
from tests.api.world import World
from tests.fakes.polling import until

QUICK = {"SIM_QR_DELAY_S": "0.05"}


class Links(HTMLParser):
    """Everything a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "srcset")]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_looking_at_a_link_does_nothing(world: World, method: str) -> None:
    await world.create(session_id="a", desired="stopped")
    path = await make_link(world)
    visitor = Visitor(world)

    reply = await visitor.ask(method, path)

    assert reply.status == 200
    assert visitor.set_cookies == []
    assert world.sessions.get("a").status is Status.STOPPED
    if method == "GET":
        assert b'<form method="post"><button>Show the code</button></form>' in reply.raw


async def test_a_page_brings_all_it_needs_and_lets_nothing_else_in(world: World) -> None:
    await world.create(session_id="a", desired="stopped")
    visitor = Visitor(world)

    reply = await visitor.open(await make_link(world))

    links = Links()
    links.feed(reply.raw.decode())
    assert links.addresses == ["data:,"]
    policy = reply.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert reply.headers["Referrer-Policy"] == "no-referrer"
    assert reply.headers["X-Robots-Tag"].startswith("noindex")
    assert reply.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("accepted", "language", "button"),
    [
        ("es-MX,es;q=0.9,en;q=0.8", "es", "Mostrar el código"),
        ("en;q=0.5, es;q=0.4", "en", "Show the code"),
        ("zh-HK", "en", "Show the code"),
        ("", "en", "Show the code"),
    ],
)
async def test_the_page_speaks_the_language_of_the_browser(
    world: World, accepted: str, language: str, button: str
) -> None:
    await world.create(session_id="a", desired="stopped")
    visitor = Visitor(world, headers={"Accept-Language": accepted})

    reply = await visitor.open(await make_link(world))

    assert f'<html lang="{language}">' in reply.raw.decode()
    assert f"<button>{button}</button>" in reply.raw.decode()
    assert reply.headers["Content-Language"] == language


async def test_the_button_starts_the_session_and_binds_the_link_to_this_browser(world: World) -> None:
    await world.create(session_id="a", desired="stopped", env=QUICK)
    path = await make_link(world)
    visitor = Visitor(world)

    reply = await visitor.press(path)

    assert reply.status == 200
    (cookie,) = visitor.set_cookies
    assert cookie.startswith("__Host-pairing-")
    for word in ("HttpOnly", "Secure", "SameSite=Strict", "Path=/", "Max-Age=600"):
        assert word in cookie
    assert "Domain" not in cookie
    async with visitor.watching(path) as page:
        view = await page.until("code")
    assert str(view["qr_base64"]).startswith("iVBORw0KGgo")
    assert 0 < float(str(view["code_left_s"])) <= 60


async def test_what_comes_behind_the_path_does_no_harm(world: World) -> None:
    await world.create(session_id="a", desired="stopped")
    path = await make_link(world)

    assert (await Visitor(world).open(f"{path}?fbclid=x")).status == 200
    assert (await Visitor(world).open(f"{path}/")).status == 200


async def test_a_second_browser_is_refused_and_told_so(world: World) -> None:
    await world.create(session_id="a", desired="stopped", env=QUICK)
    path = await make_link(world)
    await Visitor(world).press(path)
    thief = Visitor(world)

    pressed = await thief.press(path)
    asked = await thief.ask("POST", f"{path}/code", {"phone_number": "+85251234567"})
    watched = await thief.ask("GET", f"{path}/events")

    assert (pressed.status, "open elsewhere" in pressed.raw.decode()) == (403, True)
    assert (asked.status, watched.status) == (403, 403)
    assert thief.set_cookies == []


async def test_the_cookie_of_one_link_opens_no_other(world: World) -> None:
    await world.create(session_id="a", desired="stopped", env=QUICK)
    own, other = await make_link(world), await make_link(world)
    visitor, thief = Visitor(world), Visitor(world)
    await visitor.press(own)
    await thief.press(other)
    thief.cookies = dict(zip(visitor.cookies, thief.cookies.values(), strict=True))

    assert (await thief.ask("GET", f"{own}/events")).status == 403


async def test_the_audit_tells_each_step_of_a_page_and_where_its_browser_is(world: World) -> None:
    await world.create(session_id="a", desired="stopped", env=QUICK)
    path = await make_link(world)

    await Visitor(world).press(path)

    async def told() -> list[tuple[object, object]]:
        entries = (await world.call("GET", "/v1/audit?session_id=a")).json["entries"]
        assert isinstance(entries, list)
        assert all(path.rpartition("/")[2] not in str(each) for each in entries)
        steps = [each for each in entries if isinstance(each, dict) and each["actor"] == "pairing link"]
        return [(each["action"], each["address"]) for each in steps]

    while len(await told()) < 2:  # a row goes to disk with the next that is written
        pass
    assert await told() == [("pairing_link.bound", "127.0.0.1"), ("pairing_link.opened", "127.0.0.1")]


async def test_the_same_browser_may_press_again(world: World) -> None:
    await world.create(session_id="a", desired="stopped", env=QUICK)
    path = await make_link(world)
    visitor = Visitor(world)
    await visitor.press(path)

    assert (await visitor.press(path)).status == 200


async def test_a_scan_is_told_and_ends_the_link_for_all_others(world: World) -> None:
    await world.create(session_id="a", desired="stopped", env=QUICK)
    path = await make_link(world)
    visitor = Visitor(world)
    await visitor.press(path)

    async with visitor.watching(path) as page:
        await page.until("code")
        await world.play("a", "scan")
        last = await page.until("linked")
        assert await page.next() is None

    assert last["qr_base64"] is None
    assert (await Visitor(world).open(path)).status == 404
    assert (await Visitor(world).press(path)).status == 404
    assert (await visitor.press(path)).status == 200
    async with visitor.watching(path) as page:
        assert (await page.next() or {})["state"] == "linked"


async def test_codes_change_on_the_page_by_themselves(world: World) -> None:
    await world.create(session_id="a", desired="stopped", env={**QUICK, "SIM_QR_ROTATE_S": "0.5"})
    path = await make_link(world)
    visitor = Visitor(world)
    await visitor.press(path)

    async with visitor.watching(path) as page:
        first = await page.until("code")
        second = await page.until("code")

    assert first["qr_base64"] != second["qr_base64"]


async def test_another_number_than_the_wanted_one_is_unlinked_again(world: World) -> None:
    await world.create(session_id="a", desired="stopped", env=QUICK)
    path = await make_link(world, phone_number="+852 9876 4567")
    visitor = Visitor(world)
    live = (await visitor.press(path)).raw.decode()

    async with visitor.watching(path) as page:
        await page.until("code")
        await world.play("a", "scan")
        await page.until("wrong_number")
    await until(lambda: world.sessions.get("a").status is Status.LOGGED_OUT)

    assert "4567" in live
    assert "9876" not in live
    session = world.sessions.get("a")
    assert session.reason is not None
    assert (session.reason.code, session.phone_number) == (ReasonCode.WRONG_NUMBER, None)
    assert session.wanted_number is None
    assert not list((world.home / "sessions" / "a").rglob("creds.json"))
    events = await world.call("GET", "/v1/sessions/a/events?limit=1000")
    types = [str(each["type"]) for each in events.json["events"]]  # type: ignore[index, call-overload, union-attr]
    assert "session.logged_out" in types
    assert "session.connected" not in types
    assert (await visitor.press(path)).status == 200
    async with visitor.watching(path) as page:
        await page.until("code")


async def test_the_wanted_number_is_linked(world: World) -> None:
    await world.create(session_id="a", desired="stopped", env=QUICK)
    path = await make_link(world, phone_number=account_of(inner_name(SessionId("a"))).phone)
    visitor = Visitor(world)
    await visitor.press(path)

    async with visitor.watching(path) as page:
        await page.until("code")
        await world.play("a", "scan")
        await page.until("linked")

    assert world.sessions.get("a").status is Status.CONNECTED


async def test_three_codes_to_type_in_are_given(world: World) -> None:
    await world.create(session_id="a", desired="stopped", env=QUICK)
    path = await make_link(world)
    visitor = Visitor(world)
    await visitor.press(path)
    async with visitor.watching(path) as page:
        await page.until("code")

        replies = [await visitor.ask("POST", f"{path}/code", {"phone_number": "+852 5123 4567"}) for _ in range(4)]
        view = await page.next()

    assert [each.status for each in replies] == [201, 201, 201, 429]
    assert re.fullmatch(r"[A-Z0-9]{4}-?[A-Z0-9]{4}", str(replies[0].json["pairing_code"]))
    assert int(replies[3].headers["Retry-After"]) <= 600
    assert view is not None
    assert view["codes_left"] in (0, 1, 2)


async def test_a_code_to_type_in_is_for_the_number_of_the_link(world: World) -> None:
    await world.create(session_id="a", desired="stopped", env=QUICK)
    path = await make_link(world, phone_number="+85251234567")
    visitor = Visitor(world)
    await visitor.press(path)
    async with visitor.watching(path) as page:
        await page.until("code")

    assert (await visitor.ask("POST", f"{path}/code", {"phone_number": "+4915112345678"})).status == 422
    assert (await visitor.ask("POST", f"{path}/code", {})).status == 201


@pytest.mark.parametrize("body", [{}, {"phone_number": "017112345"}, {"phone_number": None}, {"number": "1"}])
async def test_a_code_to_type_in_needs_a_number(world: World, body: dict[str, str | None]) -> None:
    await world.create(session_id="a", desired="stopped", env=QUICK)
    path = await make_link(world)
    visitor = Visitor(world)
    await visitor.press(path)

    assert (await visitor.ask("POST", f"{path}/code", body)).status == 422


async def test_a_code_to_type_in_comes_only_while_one_may_come(world: World) -> None:
    await world.create(session_id="a", desired="stopped", env=QUICK)
    path = await make_link(world)
    visitor = Visitor(world)
    await visitor.press(path)
    await world.call("POST", "/v1/sessions/a/stop?wait=20")

    reply = await visitor.ask("POST", f"{path}/code", {"phone_number": "+85251234567"})

    assert (reply.status, reply.code) == (409, "illegal_transition")


async def test_unknown_wrong_and_ended_links_are_one_answer(world: World) -> None:
    await world.create(session_id="a", desired="stopped", env=QUICK)
    path = await make_link(world)
    visitor = Visitor(world)
    await visitor.press(path)
    await world.call("DELETE", "/v1/sessions/a")

    bodies = set()
    for gone in (path, "/pair/" + "A" * 43, "/pair/x", "/pair/%00", "/pair/" + "%F0%9F%98%80" * 20):
        for method in ("GET", "POST"):
            reply = await visitor.ask(method, gone)
            assert reply.status == 404
            bodies.add(reply.raw)
        assert (await visitor.ask("GET", f"{gone}/events")).status == 404
        assert (await visitor.ask("POST", f"{gone}/code", {})).status == 404

    assert len(bodies) == 1


async def test_a_link_dies_with_the_key_that_made_it(world: World) -> None:
    await world.create(session_id="a", desired="stopped", env=QUICK)
    key = await world.key_of(Role.OPERATOR, qr=True)
    path = await make_link(world, key=key)
    visitor = Visitor(world)
    await visitor.press(path)

    async with visitor.watching(path) as page:
        await page.next()
        await world.call("DELETE", f"/v1/keys/{key.split('_')[1]}")
        await page.until("over")

    assert (await visitor.press(path)).status == 404


async def test_a_link_dies_by_time(world: World) -> None:
    await world.create(session_id="a", desired="stopped", env=QUICK)
    path = await make_link(world, ttl_s=1)
    visitor = Visitor(world)
    await visitor.press(path)

    async with visitor.watching(path) as page:
        await page.until("over")

    assert (await visitor.open(path)).status == 404


async def test_a_third_page_of_one_link_sends_the_first_away(world: World) -> None:
    await world.create(session_id="a", desired="stopped", env={"SIM_QR_DELAY_S": "60"})
    path = await make_link(world)
    visitor = Visitor(world)
    await visitor.press(path)

    async with visitor.watching(path) as first, visitor.watching(path) as second:
        assert (await first.next(), await second.next()) != (None, None)
        async with visitor.watching(path) as third:
            assert await third.next() is not None
            assert await first.next() is None


async def test_links_that_are_none_are_asked_for_only_so_often(world: World) -> None:
    await world.create(session_id="a", desired="stopped")
    path = await make_link(world)
    visitor = Visitor(world)

    statuses = [(await visitor.open(f"/pair/{number}")).status for number in range(40)]

    assert statuses[:30] == [404] * 30
    assert 429 in statuses
    assert (await visitor.open(path)).status == 200


async def test_neither_token_nor_browser_is_on_disk_or_in_the_log(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    await world.create(session_id="a", desired="stopped", env=QUICK)
    path = await make_link(world)
    visitor = Visitor(world)
    await visitor.press(path)
    await visitor.ask("PUT", path)
    await visitor.ask("GET", f"/x{path}")

    secrets = [path.rpartition("/")[2], *visitor.cookies.values()]
    await world.database.empty_log()
    stored = b"".join(file.read_bytes() for file in tmp_path.glob("manager.db*"))
    log = "".join(capfd.readouterr())
    assert "/pair/…" in log or "/pair/\\u2026" in log
    for secret in secrets:
        assert secret.encode() not in stored
        assert secret not in log
