"""Names are asked for in threads of their own."""

import socket
from collections.abc import Collection

import pytest

from openwa_manager.webhooks.names import NameResolver, NameService


async def test_the_system_is_asked_for_names() -> None:
    assert "127.0.0.1" in await NameService().resolve("127.0.0.1")
    with pytest.raises(OSError, match=r"encoding|label|not known|failure"):
        await NameService().resolve("a" * 70 + ".example")


async def test_only_so_many_names_are_asked_for_at_once() -> None:
    names = NameService(look_ups_max=0)

    with pytest.raises(OSError, match="too many"):
        await names.resolve("127.0.0.1")


async def known(host: str) -> Collection[str]:
    return {"both.example": ["2606:4700::1111", "93.184.216.34"], "none.example": []}[host]


@pytest.mark.parametrize(
    ("family", "addresses"),
    [
        (socket.AF_UNSPEC, ["2606:4700::1111", "93.184.216.34"]),
        (socket.AF_INET, ["93.184.216.34"]),
        (socket.AF_INET6, ["2606:4700::1111"]),
    ],
)
async def test_connections_are_given_the_addresses_of_their_family(
    family: socket.AddressFamily, addresses: list[str]
) -> None:
    resolver = NameResolver(known)

    found = await resolver.resolve("both.example", 443, family)
    await resolver.close()

    assert [each["host"] for each in found] == addresses
    assert {each["port"] for each in found} == {443}


async def test_a_name_without_addresses_is_an_error() -> None:
    with pytest.raises(OSError, match="no address"):
        await NameResolver(known).resolve("none.example")


async def test_a_name_that_is_not_answered_in_time_is_an_error() -> None:
    async def slow(_host: str) -> Collection[str]:
        raise TimeoutError

    with pytest.raises(OSError, match="not told in time"):
        await NameResolver(slow).resolve("slow.example")
