"""The settings that say how often callers may ask."""

import pytest

from openwa_manager.config import load, warnings_about
from openwa_manager.domain.errors import ConfigError


def test_limits_that_are_switched_off_are_warned_of() -> None:
    off = load({}, {"OPENWA_MANAGER_RATE_PER_S": "0"}).settings

    assert "rate_per_s = 0" in warnings_about(off)[0]
    assert warnings_about(load({}, {}).settings) == []


@pytest.mark.parametrize("name", ["RATE_PER_S", "RATE_BURST"])
@pytest.mark.parametrize("value", ["-1", "nan", "inf", "1e9", "many"])
def test_a_rate_that_is_none_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name.lower()):
        load({}, {f"OPENWA_MANAGER_{name}": value})


@pytest.mark.parametrize("value", ["X-Real-IP", "x-forwarded-for", "CF-Connecting-IP"])
def test_a_header_that_strangers_could_write_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="client_address_header"):
        load({}, {"OPENWA_MANAGER_CLIENT_ADDRESS_HEADER": value})
