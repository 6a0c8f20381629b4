"""Commands about several sessions: which are meant, what became of each, and who is asked before."""

import re
from collections.abc import Callable, Iterator

import pytest

from tests.cli.screens.conftest import Look, Open
from tests.cli.screens.window import LARGE
from tests.e2e.peers.daemon import SCANNED, Daemon

A, B, C = (f"room_{letter}" for letter in "abc")


@pytest.fixture
def rooms(daemon: Daemon) -> Iterator[Callable[[], dict[str, str]]]:
    """Make three connected sessions with labels; return what reads their statuses."""
    for session_id in (A, B, C):
        color = {"color": "red" if session_id == C else "blue"}
        daemon.create(session_id, labels=color, env=dict(SCANNED), wait_for="connected", timeout_s=60)
    yield lambda: {each: daemon.session(each).text("status") for each in (A, B, C)}
    for session_id in (A, B, C):
        daemon.ask("DELETE", f"/v1/sessions/{session_id}")


def pids(daemon: Daemon) -> dict[str, int | None]:
    running = daemon.ask("GET", "/v1/registry").body
    return {each: running.get(each) for each in (A, B, C)}  # type: ignore[misc]  # a map of numbers


def said(text: str) -> dict[str, str]:
    """Return what is said of each session that has a line."""
    lines = (line.split(None, 1) for line in text.splitlines() if line.startswith("room_"))
    return {name: rest.partition(":")[0] for name, rest in lines}


def test_a_label_and_a_status_choose_sessions(look: Look, daemon: Daemon, rooms: Callable[[], dict[str, str]]) -> None:
    before = pids(daemon)

    seen = look(["stop", "--label", "color=blue", "--status", "connected"])

    assert said(seen.text) == {A: "stopped", B: "stopped"}
    assert seen.color_of("stopped") == "default"
    assert rooms() == {A: "stopped", B: "stopped", C: "connected"}
    assert pids(daemon)[C] == before[C]


def test_a_pattern_restarts_all_that_are_like_it_and_tells_of_the_one_that_is_not_there(
    look: Look, daemon: Daemon, rooms: Callable[[], dict[str, str]]
) -> None:
    before = pids(daemon)

    seen = look(["restart", "room_[ab]"])
    missing = look(["restart", A, "room_z"], code=1)

    assert set(said(seen.text)) == {A, B}
    assert "no session 'room_z'" in missing.text
    assert missing.text.endswith("openwa-manager: 1 of 2 failed")
    assert all(pids(daemon)[each] != before[each] for each in (A, B))
    assert pids(daemon)[C] == before[C]
    assert rooms()[C] == "connected"


def test_rolling_waits_until_each_is_back_and_stops_at_the_first_that_is_not(
    look: Look, daemon: Daemon, rooms: Callable[[], dict[str, str]]
) -> None:
    before = pids(daemon)

    well = look(["restart", "room_*", "--rolling"])
    daemon.ask("PATCH", f"/v1/sessions/{B}", {"env": {**SCANNED, "SIM_AUTO_SCAN_S": "600", "SIM_BOOT_S": "600"}})
    between = pids(daemon)
    badly = look(["restart", "room_*", "--rolling", "--wait", "12"], code=1)

    assert said(well.text) == {A: "connected", B: "connected", C: "connected"}
    assert all(between[each] != before[each] for each in (A, B, C))
    assert said(badly.text)[A] == "connected"
    assert re.search(rf"^{B} +\w+: was connected; \d+ s: ", badly.text, re.MULTILINE)
    assert said(badly.text)[C] == "left as it was"
    assert pids(daemon)[C] == between[C]
    assert rooms()[C] == "connected"


@pytest.mark.parametrize(("answer", "code", "is_gone"), [("no\n", 1, False), ("yes\n", 0, True)])
def test_delete_names_what_it_would_delete_and_asks(
    window: Open, daemon: Daemon, rooms: Callable[[], dict[str, str]], answer: str, code: int, is_gone: bool
) -> None:
    del rooms
    with window(["delete", "room_[ab]"]) as asking:
        asking.until(lambda text: "Type yes to go on:" in text)
        question = asking.text
        asking.type(answer)

        assert asking.ended() == code

    assert question.splitlines()[:2] == [f"    {A}", f"    {B}"]
    assert "2 sessions will be deleted" in question
    statuses = [daemon.ask("GET", f"/v1/sessions/{each}").status for each in (A, B, C)]
    assert statuses == [404 if is_gone else 200] * 2 + [200]


def test_logout_asks_and_wipes_those_that_are_named(window: Open, rooms: Callable[[], dict[str, str]]) -> None:
    with window(["logout", A, B]) as asking:
        question = asking.until(lambda text: "Type yes to go on:" in text)
        asking.type("yes\n")

        assert asking.ended() == 0
    assert question.splitlines()[:2] == [f"    {A}", f"    {B}"]
    assert rooms() == {A: "logged_out", B: "logged_out", C: "connected"}


def test_stop_all_asks_first(window: Open, daemon: Daemon, rooms: Callable[[], dict[str, str]]) -> None:
    with window(["stop", "--all"]) as asking:
        asking.until(lambda text: "Type yes to go on:" in text)
        asking.type("n\n")

        assert asking.ended() == 1
    assert "nothing was done" in asking.text
    assert rooms() == {A: "connected", B: "connected", C: "connected"}
    assert all(pids(daemon).values())


def test_logs_of_several_are_told_apart(look: Look, rooms: Callable[[], dict[str, str]]) -> None:
    del rooms

    seen = look(["logs", "room_*", "--tail", "1"], LARGE)

    assert [line[:9] for line in seen.lines] == [f"{each} | " for each in (A, B, C)]


def test_logs_of_several_may_be_followed(window: Open, daemon: Daemon, rooms: Callable[[], dict[str, str]]) -> None:
    del rooms
    with window(["logs", A, B, "-f", "--tail", "1"], LARGE) as following:
        following.until(lambda text: f"{A} | " in text and f"{B} | " in text)
        lines = len(following.lines)
        daemon.ask("POST", f"/v1/sessions/{B}/restart?wait=30", {})
        following.until(lambda text: len(text.splitlines()) > lines)
        following.interrupt()
