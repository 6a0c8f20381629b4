"""Codes in a terminal: drawn in place until a phone is linked, and what is said when the window is too small."""

from collections.abc import Iterator

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.cli.screens.conftest import UNSCANNED, Look, Open
from tests.cli.screens.window import LARGE, SMALL
from tests.e2e.peers.daemon import Daemon, UnixConnection

NEW = "door_new"


@pytest.fixture
def new(daemon: Daemon) -> Iterator[str]:
    yield NEW
    daemon.ask("DELETE", f"/v1/sessions/{NEW}")


def scan(daemon: Daemon, session_id: str) -> None:
    """Hold the phone before the code."""
    place: Json = daemon.session(session_id).body["socket"]
    connection = UnixConnection(daemon.home.parent / str(place))
    connection.request("POST", "/_sim/scan")
    assert connection.getresponse().status == 200
    connection.close()


def test_follow_draws_in_place_until_a_phone_is_linked(window: Open, daemon: Daemon, new: str) -> None:
    daemon.create(new, wait_for="qr")

    with window(["qr", new, "-f"], LARGE) as following:
        drawn = following.until(lambda text: " s left: " in text and "Link a device" in text)
        scan(daemon, new)

        assert following.ended() == 0
    assert following.lines[0].startswith(f"{new} is connected as 6")
    assert sum("█" in line for line in drawn.splitlines()) > 20
    assert following.raw.startswith(b"\x1b[?1049h")  # on the second screen, so that the first is as it was


def test_a_window_that_is_too_small_says_how_large_it_must_be(window: Open) -> None:
    with window(["qr", UNSCANNED, "-f"], SMALL) as following:
        text = following.until(lambda text: "this window has 80 and 24" in text)
        following.interrupt()

        assert following.ended() == 130
    assert "█" not in text
    assert "pairing-code ID NUMBER" in text


def test_a_code_that_does_not_fit_is_drawn_with_a_word_about_it(look: Look) -> None:
    seen = look(["qr", UNSCANNED])

    assert "this window has 80 and 24" in seen.text
    assert "█" in seen.text


def test_create_shows_codes_until_it_is_connected(window: Open, daemon: Daemon, new: str) -> None:
    with window(["create", new, "--wait-for", "connected"], LARGE) as creating:
        creating.until(lambda text: "Link a device" in text)
        scan(daemon, new)

        assert creating.ended() == 0
    assert f"{new} is connected as " in creating.text


def test_create_fails_when_nobody_scans_in_time(look: Look, new: str) -> None:
    seen = look(["create", new, "--wait-for", "connected", "--timeout", "2"], LARGE, code=1)

    assert " ".join(seen.text.split()).endswith(
        f"openwa-manager: {new} is qr_ready; nobody scanned in 2 s; openwa-manager qr {new} -f goes on"
    )
