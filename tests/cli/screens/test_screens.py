"""Every command in a terminal, against a daemon that runs: what is seen is what somebody has looked at and liked."""

from collections.abc import Mapping, Sequence

import pytest

from openwa_manager.cli import NAMES
from tests.cli.screens.conftest import CONNECTED, STOPPED, UNSCANNED, Look
from tests.cli.screens.snapshots import assert_seen
from tests.cli.screens.window import LARGE, LONG, SMALL, Size

#: What is seen of each command, and with which exit code it ends.
SCREENS: Mapping[str, tuple[Sequence[str], int]] = {
    "list": (("list",), 0),
    "list-none": (("list", "--status", "banned"), 0),
    "top": (("top", "--once", "--sort", "id"), 0),
    "show": (("show", STOPPED), 0),
    "why": (("why", UNSCANNED), 0),
    "events": (("events", CONNECTED[0], "--type", "session.connected"), 0),
    "audit": (("audit", "--action", "session.create"), 0),
    "audit-verify": (("audit", "verify"), 0),
    "keys": (("keys", "list"), 0),
    "endpoints": (("endpoints", "list"), 0),
    "deliveries": (("deliveries", "--session", CONNECTED[1], "--state", "delivered", "--limit", "2"), 0),
    "messages": (("messages",), 0),
    "batch": (("batch", "list", CONNECTED[0]), 0),
    "queue": (("queue",), 0),
    "quota": (("quota", "1"), 0),
    "suppress": (("suppress", "1"), 0),
    "pairing-link": (("pairing-link", UNSCANNED), 0),
    "help-restart": (("help", "restart"), 0),
    "no-command": (("lst",), 2),
    "no-option": (("list", "--statsu", "failed"), 2),
    "no-status": (("list", "--status", "conected"), 2),
    "no-session": (("show", "user_3_session_unscaned"), 3),
    "no-page": (("help", "lnking"), 2),
    "none-named": (("restart",), 2),
    "none-alike": (("stop", "user_9_*"), 3),
    "several-alike": (("qr", "user_*"), 2),
    "several-failed": (("start", "user_5_session_none", "user_6_session_none"), 1),
}
#: What is longer than a window, in one that is as long as need be.
LONG_SCREENS: Mapping[str, Sequence[str]] = {
    "help": ("--help",),
    "help-batch": ("help", "batch", "create"),
}
#: Commands that are not among these screens, and where a terminal or their output is tested.
ELSEWHERE = {
    "create": "test_codes.py",
    **dict.fromkeys(("delete", "logout", "logs"), "test_several.py"),
    **dict.fromkeys(("completion", "openapi", "pairing-code", "config", "send"), "test_forms.py"),
    **dict.fromkeys(("serve", "demo"), "the daemon and the demo talk to people by their logs"),
    **dict.fromkeys(("doctor", "diagnose", "service"), "tests/cli/doctor, tests/cli/diagnose and tests/cli/service"),
    "engine": "tests/cli/engine",
    "mock": "tests/e2e/mock",
}


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x40"])
@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_as_it_was_liked(look: Look, name: str, size: Size) -> None:
    words, code = SCREENS[name]

    seen = look(words, size, code)

    assert_seen(name, size, seen.lines)


@pytest.mark.parametrize("name", LONG_SCREENS)
def test_a_long_text_is_as_it_was_liked(look: Look, name: str) -> None:
    seen = look(LONG_SCREENS[name], LONG)

    assert_seen(name, LONG, seen.lines)


def test_every_command_was_looked_at() -> None:
    seen = {words[0] for words in (*(words for words, _ in SCREENS.values()), *LONG_SCREENS.values())}

    assert set(NAMES) - seen == ELSEWHERE.keys()
