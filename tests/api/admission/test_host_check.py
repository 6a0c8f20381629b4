import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from openwa_manager.api.admission.host_check import HostCheck
from tests.api.world import ALLOWED_HOST, World

PATH = "/v1/registry"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost:2790", "LOCALHOST", "[::1]:2790", ALLOWED_HOST, f"{ALLOWED_HOST.upper()}:443"]
)
async def test_a_host_of_ours_is_served(world: World, host: str) -> None:
    reply = await world.call("GET", PATH, headers={"Host": host})

    assert reply.status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "", "a b", "localhost:x", "[::2]", "localhost@evil"]
)
async def test_a_foreign_host_is_misdirected_whatever_the_key(world: World, host: str) -> None:
    status, headers = await world.raw(f"GET {PATH} HTTP/1.1\nHost: {host}\nX-API-Key: {world.key}")

    assert (status, headers["Content-Type"]) == (421, "application/problem+json")


async def test_a_request_without_host_is_misdirected(world: World) -> None:
    status, _ = await world.raw(f"GET {PATH} HTTP/1.0\nX-API-Key: {world.key}")

    assert status == 421


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (f"http://localhost{PATH}", 200),
        (f"http://127.0.0.1:2790{PATH}", 200),
        (f"http://evil.example{PATH}", 421),
        (f"http://evil.example:80{PATH}", 421),
        (f"http://localhost@evil.example{PATH}", 421),
    ],
)
async def test_the_host_in_an_absolute_target_must_be_ours_as_well(world: World, target: str, status: int) -> None:
    got, _ = await world.raw(f"GET {target} HTTP/1.1\nHost: localhost\nX-API-Key: {world.key}")

    assert got == status


def request_for(host: str, reached: str) -> web.Request:
    """Return a request that names a host, and came to this address of ours."""
    wire = asyncio.Transport({"sockname": (reached, 2790), "peername": ("192.0.2.9", 50_000)})
    return make_mocked_request("GET", PATH, headers={"Host": host}, transport=wire)


def test_an_address_is_ours_only_where_it_was_reached() -> None:
    check = HostCheck()

    assert check.is_for_us(request_for("192.0.2.1:2790", "192.0.2.1"))
    assert not check.is_for_us(request_for("192.0.2.1:2790", "192.0.2.2"))


def test_however_many_spellings_are_told_few_are_kept_and_all_of_ours_are_served() -> None:
    check = HostCheck([ALLOWED_HOST])

    assert all(check.is_for_us(request_for(f"localhost:{port}", "192.0.2.1")) for port in range(1000))

    assert len(check._spellings) <= 64
    assert check.is_for_us(request_for(f"{ALLOWED_HOST}:443", "192.0.2.1"))
    assert not check.is_for_us(request_for("evil.example:443", "192.0.2.1"))
