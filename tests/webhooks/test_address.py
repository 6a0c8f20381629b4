import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.webhooks.address import AddressGuard, NotPublicError, is_public
from openwa_manager.webhooks.names import NameResolver

PRIVATE = [
    *("127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "0.0.0.0", "255.255.255.255"),  # noqa: S104
    *("169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16", "198.18.0.1"),
    *("224.0.0.1", "240.0.0.1", "::1", "::", "fe80::1", "fe80::1%1", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1"),
    *("2002:7f00:1::", "2002:a9fe:a9fe::1", "::127.0.0.1", "2001:db8::1", "2001::1"),
]
PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1"]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_of_our_own_network_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@given(number=st.integers(0, 2**32 - 1))
def test_wrapping_an_address_never_makes_it_public(number: int) -> None:
    plain = socket.inet_ntoa(number.to_bytes(4, "big"))
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"

    for wrapped in (f"::ffff:{plain}", f"64:ff9b::{high}:{low}", f"2002:{high}:{low}::"):
        assert is_public(wrapped) == is_public(plain)


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://example.org", "example.org", "http://", "http://[::1", "http:///path", "", "http://example.org:99999"),
        *(
            "http://user:pass@example.org",
            "http://127.0.0.1:2790/",
            "http://[::1]/",
            "http://localhost/",
            "http://a.localhost./",
        ),
        *("http://169.254.169.254/latest/meta-data", "http://[::ffff:10.0.0.1]/"),
        *("http://xn--a/", "http://xn--a--/", "http://xn--0zwm56d+/", "http://\u200dxn--][@", "http://example.com:0/"),
        *("http://2130706433/", "http://0177.0.0.1/", "http://0x7f.1/", "http://127.1/", "http://256.256.256.256/"),
    ],
)
def test_a_url_we_must_not_post_to_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError, match=r"^url: "):
        AddressGuard().check_url(url)


def test_urls_of_the_internet_are_accepted() -> None:
    for url in (
        "https://example.org/hook?x=1",
        "http://1.1.1.1:8080",
        "https://[2606:4700::1111]/",
        "https://bücher.example",
    ):
        AddressGuard().check_url(url)


def test_an_exempt_url_opens_its_own_host_and_port_only() -> None:
    guard = AddressGuard(exempt=("http://127.0.0.1:8000/hook",))

    guard.check_url("http://127.0.0.1:8000/other")
    with pytest.raises(InvalidInputError):
        guard.check_url("http://127.0.0.1:2790/v1/keys")


def test_private_endpoints_can_be_allowed() -> None:
    AddressGuard(allow_private=True).check_url("http://192.168.1.20/hook")


@pytest.mark.parametrize("name", ["localhost", "2130706433", "0x7f.1", "0177.0.0.1"])
async def test_a_name_that_resolves_to_this_machine_is_refused_however_it_is_spelt(name: str) -> None:
    with pytest.raises(OSError, match="no public address"):
        await AddressGuard().resolve(name, 80, socket.AF_INET)


async def test_a_name_resolves_anywhere_when_private_endpoints_are_allowed() -> None:
    guard = AddressGuard(allow_private=True)

    found = await guard.resolve("localhost", 80, socket.AF_INET)

    assert [address["host"] for address in found] == ["127.0.0.1"]
    await guard.close()


async def test_a_literal_public_address_passes_the_resolver() -> None:
    found = await AddressGuard().resolve("1.1.1.1", 443, socket.AF_INET)

    assert [address["host"] for address in found] == ["1.1.1.1"]


async def named(host: str) -> list[str]:
    return {"inside.example": ["10.0.0.1"], "both.example": ["93.184.216.34", "::1"]}[host]


async def test_a_name_that_leads_inside_is_told_from_one_that_leads_nowhere() -> None:
    guard = AddressGuard(names=NameResolver(named), permitted_by="this test")

    with pytest.raises(NotPublicError, match=r"inside.example has no public address \(this test permits it\)"):
        await guard.resolve("inside.example", 80)
    assert [each["host"] for each in await guard.resolve("both.example", 80)] == ["93.184.216.34"]


async def test_hosts_that_are_permitted_may_be_anywhere_with_any_port() -> None:
    guard = AddressGuard(hosts=[" [::1] ", "", "Inside.Example"], names=NameResolver(named))

    guard.check_url("http://[::1]:9000/")
    guard.check_url("http://inside.EXAMPLE/")
    assert [each["host"] for each in await guard.resolve("inside.example", 8080)] == ["10.0.0.1"]
    with pytest.raises(InvalidInputError):
        guard.check_url("http://127.0.0.1/")
