from pathlib import Path

import pytest

from openwa_manager.api.connections.limits import ConnectionLimits, Timeouts, free_descriptor_count


@pytest.mark.parametrize("free_count", [0, 34, 1_000, 10**9])
def test_a_part_of_the_descriptors_is_left_for_our_own_connections(free_count: int) -> None:
    limits = ConnectionLimits.within(free_count)

    assert 4 <= limits.control <= 256
    if free_count > 16:
        assert limits.control + limits.socket + limits.intake <= free_count * 3 / 4


def test_open_descriptors_are_not_free() -> None:
    before = free_descriptor_count()

    with Path("/dev/null").open():
        during = free_descriptor_count()

    assert during == before - 1


def test_a_proxy_meets_no_connection_that_we_are_closing() -> None:
    longest_of_proxies_s = 90.0  # Go's http.Transport, and cloudflared

    assert Timeouts.behind_proxy().idle_s > longest_of_proxies_s
