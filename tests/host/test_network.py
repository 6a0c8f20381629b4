import socket
from pathlib import Path

import pytest

from openwa_manager.host.network import has_default_route, has_way_out

HEADER = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
LAN = "eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
DEFAULT = "eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
HALF_OF_THE_WORLD = "tun0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000080\t0\t0\t0\n"
REFUSED = "*\t00000000\t00000000\t0200\t0\t0\t0\t00000000\t0\t0\t0\n"
ANY6, LOCAL6 = "0" * 32, "fe80" + "0" * 28
DEFAULT6 = f"{ANY6} 00 {ANY6} 00 {LOCAL6} 00000400 00000001 00000000 00000003 eth0\n"
LOOPBACK6 = f"{ANY6} 00 {ANY6} 00 {ANY6} ffffffff 00000001 00000000 00200200     lo\n"
LINK6 = f"{LOCAL6} 40 {ANY6} 00 {ANY6} 00000100 00000001 00000000 00000001 eth0\n"


@pytest.mark.parametrize(
    ("routes", "routes6", "expected"),
    [
        (LAN + DEFAULT, "", True),
        (LAN, "", False),
        ("", "", False),
        (REFUSED, "", False),
        (HALF_OF_THE_WORLD, "", False),
        (LAN, LINK6 + LOOPBACK6, False),
        (LAN, LINK6 + DEFAULT6, True),
    ],
)
def test_only_a_usable_route_to_everywhere_counts(tmp_path: Path, routes: str, routes6: str, expected: bool) -> None:
    (tmp_path / "route").write_text(HEADER + routes)
    (tmp_path / "ipv6_route").write_text(routes6)

    assert has_default_route(tmp_path) is expected


def test_a_kernel_without_ipv6_is_asked_for_ipv4_only(tmp_path: Path) -> None:
    (tmp_path / "route").write_text(HEADER + DEFAULT)

    assert has_default_route(tmp_path) is True


def test_a_system_that_does_not_say_is_unknown(tmp_path: Path) -> None:
    assert has_default_route(tmp_path) is None


def test_both_ways_of_asking_this_host_agree() -> None:
    assert has_way_out() in (has_default_route(), None)


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1", True), ("255.255.255.255", None)],  # the second needs a permission: no answer to our question
)
def test_the_kernel_is_asked_for_a_way(address: str, expected: bool | None) -> None:
    assert has_way_out([(socket.AF_INET, address)]) is expected


def test_with_nowhere_to_go_there_is_no_way() -> None:
    assert has_way_out([]) is False
