from ipaddress import ip_address, ip_network

import pytest

from openwa_manager.domain.access.addresses import ClientAddress, as_its_clients_say


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_limits_count_an_ipv6_address_by_its_network(address: str, group: str) -> None:
    assert ClientAddress(ip_address(address)).group == group


def test_an_address_is_written_in_full() -> None:
    assert str(ClientAddress(ip_address("2001:db8::1"))) == "2001:db8::1"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::/0", "::/0"),
        ("192.0.2.0/24", "192.0.2.0/24"),
    ],
)
def test_a_network_of_ipv4_that_is_written_as_ipv6_is_one_of_ipv4(written: str, said: str) -> None:
    assert str(as_its_clients_say(ip_network(written))) == said
