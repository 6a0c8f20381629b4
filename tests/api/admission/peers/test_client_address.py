from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from aiohttp import ClientSession, UnixConnector, web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.api.admission.peers.client_address import ClientAddresses
from openwa_manager.api.request_keys import CLIENT
from openwa_manager.domain.access.addresses import AddressHeader
from tests.api.guarding import checked
from tests.run.growth import is_linear

PROXIES = [ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48")]
PEER, CLIENT_IP, FORGED = "10.0.0.1", "192.0.2.7", "198.51.100.66"

listed = ClientAddresses(PROXIES)
forwarded = ClientAddresses(PROXIES, "Forwarded")


def told(addresses: ClientAddresses, *values: str, peer: str = PEER) -> str:
    return str(addresses.client_of(peer, values))


def test_who_is_no_trusted_proxy_is_the_client_whatever_it_says() -> None:
    assert told(listed, FORGED, peer=CLIENT_IP) == CLIENT_IP
    assert told(ClientAddresses(), FORGED) == PEER


def test_a_trusted_proxy_that_says_nothing_asks_for_itself() -> None:
    assert told(listed) == PEER


@pytest.mark.parametrize(
    ("values", "client"),
    [
        ([CLIENT_IP], CLIENT_IP),
        ([f"{FORGED}, {CLIENT_IP}"], CLIENT_IP),
        ([f"{FORGED},{CLIENT_IP}, 10.1.2.3 ,10.9.9.9"], CLIENT_IP),
        ([FORGED, CLIENT_IP, "10.1.2.3"], CLIENT_IP),
        (["10.3.3.3, 10.1.2.3"], "10.3.3.3"),
        ([f"{CLIENT_IP}:4711"], CLIENT_IP),
        (["2001:db8::7"], "2001:db8::7"),
        (["[2001:db8::7]"], "2001:db8::7"),
        (["[2001:db8::7]:4711"], "2001:db8::7"),
        (["2001:db8:ffff::1, 2001:db8:ffff::2"], "2001:db8:ffff::1"),
        ([f"::ffff:{CLIENT_IP}"], CLIENT_IP),
        ([f"{FORGED}, ::ffff:10.1.2.3"], FORGED),
    ],
)
def test_the_client_is_the_last_in_the_list_that_is_no_trusted_proxy(values: list[str], client: str) -> None:
    assert told(listed, *values) == client


def test_a_peer_of_ipv4_is_known_also_where_the_system_writes_it_as_ipv6() -> None:
    assert told(listed, CLIENT_IP, peer="::ffff:10.0.0.1") == CLIENT_IP
    assert told(listed, FORGED, peer=f"::ffff:{CLIENT_IP}") == CLIENT_IP


GARBAGE = [
    "",
    ",",
    "unknown",
    "_hidden",
    "1",
    "1.2.3",
    "1.2.3.4.5",
    "01.2.3.4",
    "1.2.3.4:",
    "1.2.3.4:123456",
    "[::1",
    "::1]",
]
GARBAGE += [
    "[1.2.3.4]x",
    "fe80::1%eth0",
    "[fe80::1%25eth0]",
    "localhost",
    "\u0661.2.3.4",
    "1.2.3.4/32",
    "2001:db8::7::",
    "\x00",
]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_what_is_no_address_leaves_the_last_one_that_is_known(garbage: str) -> None:
    assert told(listed, garbage) == PEER
    assert told(listed, f"{FORGED}, {garbage}") == PEER
    assert told(listed, f"{garbage}, 10.1.2.3") == "10.1.2.3"
    assert told(listed, f"{garbage}, {CLIENT_IP}") == CLIENT_IP


@pytest.mark.parametrize(
    ("value", "client"),
    [
        (f"for={CLIENT_IP}", CLIENT_IP),
        (f"For={CLIENT_IP};proto=https;by=10.0.0.1", CLIENT_IP),
        (f'proto=https; FOR="{CLIENT_IP}:4711" ; host="a,b"', CLIENT_IP),
        ('for="[2001:db8::7]:4711"', "2001:db8::7"),
        ("for=[2001:db8::7]", "2001:db8::7"),
        (f'for="{CLIENT_IP[:-1]}\\7"', CLIENT_IP),
        (f"for={FORGED}, for={CLIENT_IP}, for=10.1.2.3;by=10.0.0.1", CLIENT_IP),
        (f'for={CLIENT_IP};host="x, for={FORGED}"', CLIENT_IP),
        (f"for={CLIENT_IP};", CLIENT_IP),
        ("for=unknown", PEER),
        ("for=_gazonk", PEER),
        ("by=10.0.0.1", PEER),
        (f"for={CLIENT_IP};for={FORGED}", PEER),
        (f"{FORGED}", PEER),
        ("", PEER),
        (f"for={FORGED}, " + "," * 20, PEER),
    ],
)
def test_forwarded_is_read_as_its_standard_says(value: str, client: str) -> None:
    assert told(forwarded, value) == client


@pytest.mark.parametrize("before", ['for="', 'for="x', 'for="a\\', "for=", ";;", '"', "for=10.0.0.9, \\", "\x00", '",'])
@pytest.mark.parametrize(
    "after", [f"for={CLIENT_IP}", f'for="{CLIENT_IP}:80";by="10.0.0.1"', f"by=10.0.0.1;for={CLIENT_IP}"]
)
def test_what_a_stranger_wrote_before_changes_nothing_of_what_the_proxy_says(before: str, after: str) -> None:
    assert told(forwarded, f"{before}, {after}") == CLIENT_IP
    assert told(forwarded, before, after) == CLIENT_IP


#: What means something in either header.
_WORDS = st.sampled_from(
    [*',;="\\[]: \t', "for", "by", "unknown", "10.0.0.1", FORGED, "2001:db8:ffff::1", "::ffff:10.0.0.1"]
)
_TEXTS = st.lists(st.one_of(_WORDS, st.text(max_size=5)), max_size=30).map("".join)


@given(before=st.lists(_TEXTS, max_size=3), hops=st.integers(0, 3))
def test_no_text_before_what_the_proxies_have_written_makes_another_client(before: list[str], hops: int) -> None:
    ours = ["10.1.2.3"] * hops

    assert told(listed, *before, ", ".join([CLIENT_IP, *ours])) == CLIENT_IP
    assert told(forwarded, *before, ", ".join(f"for={each}" for each in [CLIENT_IP, *ours])) == CLIENT_IP
    assert told(listed, ",".join([*before, CLIENT_IP, *ours])) == CLIENT_IP


@given(values=st.lists(_TEXTS, max_size=3), header=st.sampled_from([listed, forwarded]))
def test_whatever_a_header_says_the_client_has_an_address(values: list[str], header: ClientAddresses) -> None:
    assert ip_address(told(header, *values)).max_prefixlen in (32, 128)


@pytest.mark.parametrize("value", ["10.0.0.9,", ",", 'for="', "for=10.0.0.9,", " ;", "a=b;"])
@pytest.mark.parametrize("header", [listed, forwarded])
def test_a_header_is_looked_at_once(value: str, header: ClientAddresses) -> None:
    assert told(header, *[value * (8000 // len(value))] * 4)
    assert is_linear(lambda size: told(header, value * size), 20_000)


async def echo(request: web.Request) -> web.Response:
    return web.Response(text=str(request[CLIENT]) if CLIENT in request else "none")


@pytest.mark.parametrize(("header", "other"), [("X-Forwarded-For", "Forwarded"), ("Forwarded", "X-Forwarded-For")])
async def test_it_reads_the_header_that_is_set_and_no_other(header: AddressHeader, other: str) -> None:
    addresses = ClientAddresses([ip_network("127.0.0.1")], header)
    app = web.Application(middlewares=[checked(addresses.note)])
    app.router.add_get("/", echo)
    written = {"X-Forwarded-For": CLIENT_IP, "Forwarded": f"for={CLIENT_IP}"}

    async with TestServer(app) as server, ClientSession() as client:
        for name, expected in ((header, CLIENT_IP), (other, "127.0.0.1")):
            async with client.get(server.make_url("/"), headers={name: written[name]}) as answer:
                assert await answer.text() == expected


async def test_who_comes_through_the_unix_socket_has_no_address(tmp_path: Path) -> None:
    app = web.Application(middlewares=[checked(ClientAddresses(PROXIES).note)])
    app.router.add_get("/", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "s")).start()

    async with ClientSession(connector=UnixConnector(str(tmp_path / "s"))) as client:
        for headers in ({}, {"X-Forwarded-For": CLIENT_IP}):
            async with client.get("http://localhost/", headers=headers) as answer:
                assert await answer.text() == "none"

    await runner.cleanup()
