"""Where the home may lie, and under what name it is known."""

from pathlib import Path

import pytest

from openwa_manager.config import load
from openwa_manager.domain.errors import ConfigError


def refusal(home: str) -> str:
    with pytest.raises(ConfigError) as refused:
        load({"home": home}, {})
    return str(refused.value)


@pytest.mark.parametrize(("length", "is_possible"), [(78, True), (79, False)])
def test_a_home_too_deep_for_the_sockets_of_its_engines_is_refused(length: int, is_possible: bool) -> None:
    home = "/" + "x" * (length - 1)

    if is_possible:
        assert load({"home": home}, {}).settings.home == Path(home)
    else:
        said = f"{home} is 1 bytes too long for the sockets in it: choose a home of at most 78 bytes "
        assert said + f"({home}/run/e/0000000000000000/s would be one, which may have 103)" in refusal(home)


def test_a_mac_users_long_name_leaves_room_for_the_sockets() -> None:
    home = "/Users/" + "n" * 32 + "/.openwa-manager"

    assert load({"home": home}, {}).settings.home == Path(home)
