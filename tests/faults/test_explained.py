"""A session that comes up slowly or dies says why, what comes next and when, in words that are no class names."""

import ast
import builtins
import re
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import Daemon, eventually
from tests.faults.programs import COMMAND, running
from tests.source import PACKAGE, tree_of

#: What stands in front of it: longer than after how long a session says what it waits for.
SLOW_S = 30
DYING = """
import pathlib
deaths = pathlib.Path("deaths")
count = len(deaths.read_text()) if deaths.exists() else 0
deaths.write_text("x" * (count + 1))
print(f"death number {count}", flush=True)
sys.exit(3)
"""


@pytest.fixture(scope="module")
def daemon(share: Callable[..., Daemon]) -> Daemon:
    settings = {**COMMAND, "BACKOFF_FIRST_S": "0.05", "CRASH_LOOP_COUNT": "3", "SLOW_RETRY_S": "600"}
    return share(settings=settings, engine_env={"SIM_BOOT_S": "60"})


def why(daemon: Daemon, session_id: str) -> dict[str, Json]:
    return daemon.ask("GET", f"/v1/sessions/{session_id}/why?limit=100").body


def listed(value: Json) -> Sequence[dict[str, Json]]:
    assert isinstance(value, list)
    return [each for each in value if isinstance(each, dict)]


def reason_of(daemon: Daemon, session_id: str) -> str:
    reason = daemon.session(session_id).body["reason"]
    return str(reason["detail"]) if isinstance(reason, dict) else ""


def waiting_for(daemon: Daemon, session_id: str) -> str | None:
    """Return what a session says it waits for; None while it says nothing of the kind."""
    detail = reason_of(daemon, session_id)
    return detail if "waiting for" in detail and "start slot" not in detail else None


def test_a_session_that_is_slow_to_come_up_says_what_it_waits_for(daemon: Daemon) -> None:
    daemon.create("silent")
    daemon.create("codeless", **running("signal.pause()"))

    for session_id, awaited in (("silent", "an answer of the engine"), ("codeless", "the engine's first code")):
        detail = eventually(partial(waiting_for, daemon, session_id), within_s=SLOW_S)
        told = why(daemon, session_id)

        assert awaited in detail
        assert daemon.session(session_id).body["status"] == "creating"
        assert listed(told["steps"])[-1]["decision"] == detail
        assert told["next_step"] == listed(told["coming"])[0]
        assert listed(told["coming"])[0]["at"] is not None


def test_each_launch_is_explained_by_its_own_log_only(daemon: Daemon) -> None:
    daemon.create("dying", **running(DYING))
    daemon.until("dying", "failed")

    told = why(daemon, "dying")

    evidence = [each for step in listed(told["steps"]) if isinstance(each := step["evidence"], dict)]
    deaths = [each["log_tail"] for each in evidence if "log_tail" in each]
    assert deaths == [f"death number {number}\n" for number in range(3)]
    assert listed(told["coming"])[0]["decision"] == "try once more to start"
    restarts = daemon.session("dying").body["restarts"]
    assert isinstance(restarts, dict)
    assert restarts["next_at"] is not None


def test_no_explanation_names_a_class(daemon: Daemon) -> None:
    for session_id in ("boxed", "mute"):
        daemon.create(session_id, **running("sys.exit(1)" if session_id == "boxed" else "signal.pause()"))
    daemon.until("boxed", "failed")
    ours = {each.name for path in PACKAGE for each in ast.walk(tree_of(path)) if isinstance(each, ast.ClassDef)}
    names = {name for name in ours | set(dir(builtins)) if re.fullmatch(r"_?([A-Z][a-z]+){2,}", name)}

    said = [
        daemon.ask("GET", f"/v1/sessions/{session_id}{below}").raw.decode()
        for session_id in ("boxed", "mute")
        for below in ("", "/why?limit=100", "/health")
    ]

    assert {"ProcessExited", "ConnectionRefusedError"} <= names
    assert [word for text in said for word in re.findall(r"\w+", text) if word in names] == []
