"""The settings that say how often callers may ask, by which names, and through whom."""

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


@pytest.mark.parametrize(
    ("given", "names", "has_proxy"),
    [
        ({}, set(), False),
        ({"ALLOWED_HOSTS": '["WA.example.com"]'}, {"wa.example.com"}, True),
        ({"PUBLIC_URL": "https://WA.example.com/x"}, {"wa.example.com"}, True),
        ({"PUBLIC_URL": "http://127.0.0.1:2790"}, set(), False),
        (
            {"PUBLIC_URL": "https://wa.example.com", "TLS_CERT": __file__, "TLS_KEY": __file__},
            {"wa.example.com"},
            False,
        ),
        ({"BEHIND_PROXY": "true"}, set(), True),
        ({"TRUSTED_PROXIES": '["127.0.0.1/32"]'}, set(), True),
    ],
)
def test_a_name_outside_means_that_somebody_hands_calls_on(
    given: dict[str, str], names: set[str], *, has_proxy: bool
) -> None:
    settings = load({}, {f"OPENWA_MANAGER_{name}": value for name, value in given.items()}).settings

    assert settings.public_names == names
    assert settings.has_proxy is has_proxy
