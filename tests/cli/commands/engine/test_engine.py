"""The command `engine`, against an API on a real socket; tests/e2e/builds has it with a daemon."""

from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api, problem

BUILDS, ROLLOUTS = "/v1/builds", "/v1/builds/rollouts"
AT = "2026-11-22T07:22:04.165Z"


def build(version: str = "0.23.1", **changes: Json) -> dict[str, Json]:
    """Return a build as the API answers it."""
    whole: dict[str, Json] = {
        "version": version,
        "state": "ready",
        "openwa_version": "0.23.1",
        "source": "https://github.com/rmyndharis/OpenWA#v0.23.1",
        "error": None,
        "warnings": [],
        "progress": None,
        "size_bytes": 612_000_000,
        "session_count": 0,
        "pinned_by": [],
        "is_default": False,
        "created_at": AT,
        "installed_at": AT,
        "checks": None,
    }
    return whole | changes


def rollout(state: str = "done", **changes: Json) -> dict[str, Json]:
    """Return a roll-out as the API answers it."""
    whole: dict[str, Json] = {
        "id": "rol_1",
        "version": "0.23.1",
        "former": "openwa_home",
        "is_default": True,
        "canary": 1,
        "state": state,
        "detail": None,
        "sessions": [
            {"session_id": "a", "state": "moved", "expected": "connected", "detail": None},
            {"session_id": "b", "state": "moved", "expected": "connected", "detail": None},
        ],
        "created_at": AT,
        "ended_at": AT if state in ("done", "rolled_back") else None,
    }
    return whole | changes


def builds(*listed: Json, **changes: Json) -> Answer:
    """Return the answer that lists builds."""
    whole: dict[str, Json] = {"builds": list(listed), "default": "0.23.1", "former": "openwa_home", "rollout": None}
    return Answer(body={**whole, **changes})


def test_builds_are_a_table_on_a_terminal(terminal: Run, api: Api) -> None:
    home = build("openwa_home", openwa_version=None, source="/home/wa/openwa", size_bytes=None, installed_at=None)
    new = build("0.24.0", state="installing", openwa_version=None, size_bytes=None, installed_at=None)
    new["progress"] = {"step": "build OpenWA", "line": "> nest build", "since": AT}
    failed = build("main", state="failed", error="fetch main: git ended with exit code 128\nfatal: no \x1b[31mref")
    ready = build(session_count=19, is_default=True, pinned_by=["a"])
    api.on(f"GET {BUILDS}", builds(home, ready, new, failed, rollout=rollout("others")))

    said = terminal("engine")

    lines = [[cell.strip() for cell in line.split("  ")] for line in said.out.splitlines()]
    assert [line[0] for line in lines] == [
        *("BUILD", "openwa_home", "0.23.1", "0.24.0", "main"),
        "moving to 0.23.1 [########################] 2 of 2 (100 %)",
    ]
    assert lines[1][-1] == "rollback goes here"
    assert lines[2][-1] == "default, 1 pin it"
    assert lines[3][-1] == "build OpenWA"
    assert lines[4][-1] == "fetch main: git ended with exit code 128"


def test_builds_fit_a_small_window(terminal: Run, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    failed = build("main", state="failed", error="fetch main: git ended with exit code 128, and said why at length")
    api.on(f"GET {BUILDS}", builds(build("openwa_home"), failed))

    lines = terminal("engine").out.splitlines()

    assert len(lines) == 3
    assert max(map(len, lines)) <= 80
    assert "fetch main: " in lines[2]


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (("0.23.1",), {"version": "0.23.1"}),
        (("v0.23.1", "--name", "x"), {"version": "0.23.1", "name": "x"}),
        (("--from-git", "https://example.com/a#main"), {"git": "https://example.com/a#main"}),
        (("/srv/openwa",), {"path": "/srv/openwa"}),
    ],
)
def test_what_is_to_be_installed_is_a_version_a_path_or_a_commit(
    terminal: Run, api: Api, words: tuple[str, ...], body: Json
) -> None:
    api.on(f"POST {BUILDS}", Answer(status=202, body=build(state="installing")))
    api.on(f"GET {BUILDS}/0.23.1", Answer(body=build(state="installing")), Answer(body=build()))

    said = terminal("engine", "install", *words)

    assert (said.code, api.asked[0].body) == (0, body)
    assert said.out.splitlines()[-1] == "run it with: openwa-manager engine use 0.23.1"


def test_a_folder_of_the_caller_is_told_by_its_whole_path(
    pipe: Run, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.on(f"POST {BUILDS}", Answer(status=202, body=build(state="installing")))
    (tmp_path / "openwa").mkdir()
    monkeypatch.chdir(tmp_path)

    said = pipe("engine", "install", "openwa", "--no-wait")

    assert (said.code, api.asked[0].body) == (0, {"path": str(tmp_path / "openwa")})
    assert said.document == build(state="installing")


@pytest.mark.parametrize("words", [(), ("0.23.1", "--from-git", "https://example.com/a#main")])
def test_one_thing_is_installed(pipe: Run, api: Api, words: tuple[str, ...]) -> None:
    said = pipe("engine", "install", *words)

    assert (said.code, api.asked) == (2, [])
    assert "say what to install" in said.err


def test_a_failed_installation_says_why(pipe: Run, api: Api) -> None:
    api.on(f"POST {BUILDS}", Answer(status=202, body=build(state="installing")))
    api.on(f"GET {BUILDS}/0.23.1", Answer(body=build(state="failed", error="build OpenWA: npm \x1b]0;x ended")))

    said = pipe("engine", "install", "0.23.1")

    assert said.code == 1
    assert "0.23.1 was not installed: build OpenWA: npm" in said.err
    assert "\x1b" not in said.err


def test_a_folder_or_a_version_that_is_not_installed_can_be_checked(terminal: Run, api: Api, tmp_path: Path) -> None:
    checks: Json = [{"name": "program", "result": "failed", "detail": "dist/main.js is missing"}]
    api.on(f"GET {BUILDS}", builds(build()))
    api.on(f"POST {BUILDS}/check", Answer(body={"checks": checks}))

    folder, version = terminal("engine", "check", str(tmp_path)), terminal("engine", "check", "v0.99.0")

    assert (folder.code, version.code) == (1, 1)
    assert "dist/main.js is missing" in folder.out
    assert f"it can be installed: openwa-manager engine install {tmp_path}" in folder.out
    assert "openwa-manager engine install 0.99.0" in version.out
    assert [each.body for each in api.asked if each.method == "POST"] == [
        {"path": str(tmp_path)},
        {"version": "0.99.0"},
    ]


def test_a_check_shows_what_was_looked_at(terminal: Run, api: Api) -> None:
    checks: Json = [{"name": "node", "result": "failed", "detail": "node is too old"}]
    api.on(f"GET {BUILDS}", builds())
    api.on(f"GET {BUILDS}/0.23.1", Answer(body=build(checks=checks)))

    said = terminal("engine", "check")

    assert said.code == 1
    assert said.out.splitlines()[-2:] == ["CHECK  RESULT  FOUND", "node   failed  node is too old"]


def test_using_a_build_moves_all_sessions_and_says_what_became_of_it(terminal: Run, api: Api) -> None:
    api.on(f"POST {ROLLOUTS}", Answer(status=202, body=rollout("canary")))
    api.on(f"GET {ROLLOUTS}/rol_1", Answer(body=rollout("others")), Answer(body=rollout()))

    said = terminal("engine", "use", "0.23.1", "--rolling")

    assert (said.code, api.asked[0].body) == (0, {"version": "0.23.1", "canary": 1})
    assert said.out == "2 sessions on 0.23.1, which is the default now\n"


def test_a_roll_out_that_went_back_is_a_failure(terminal: Run, api: Api) -> None:
    gone = rollout(
        "rolled_back",
        detail="a: it was connected and is failed on 0.23.1",
        sessions=[
            {"session_id": "a", "state": "returned", "expected": "connected", "detail": "it was connected"},
            {"session_id": "b", "state": "waiting", "expected": None, "detail": None},
        ],
    )
    api.on(f"POST {ROLLOUTS}", Answer(status=202, body=rollout("canary")))
    api.on(f"GET {ROLLOUTS}/rol_1", Answer(body=gone))

    said = terminal("engine", "use", "0.23.1", "--canary", "3")

    assert (said.code, api.asked[0].body) == (1, {"version": "0.23.1", "canary": 3})
    assert said.out.splitlines() == [
        "rolled back after 1 of 2 sessions: a: it was connected and is failed on 0.23.1",
        "  a: it was connected",
    ]


@pytest.mark.parametrize(("word", "pinned"), [("0.23.1", "0.23.1"), ("default", None)])
def test_a_session_pins_a_build_or_none_from_its_next_launch_on(
    terminal: Run, api: Api, word: str, pinned: str | None
) -> None:
    api.on("PATCH /v1/sessions/a", Answer(body={"session_id": "a"}))

    said = terminal("engine", "use", word, "--session", "a")

    assert (said.code, api.asked[0].body) == (0, {"build": pinned})
    assert "from the next launch on" in said.out


def test_sessions_are_moved_at_once_when_that_is_asked_for(pipe: Run, api: Api) -> None:
    api.on(f"POST {ROLLOUTS}", Answer(status=202, body=rollout("canary", is_default=False)))

    said = pipe("engine", "use", "0.23.1", "--session", "a", "--session", "b", "--rolling", "--no-wait")

    assert said.code == 0
    assert api.asked[0].body == {"version": "0.23.1", "canary": 1, "sessions": ["a", "b"]}


@pytest.mark.parametrize(
    "words",
    [
        ("default",),
        ("default", "--session", "a", "--rolling"),
        ("0.23.1", "--session", "../a"),
        ("0.23.1", "--canary", "0"),
        ("0.23.1", "--session", "a", "--canary", "-1"),
    ],
)
def test_what_cannot_be_meant_is_refused(pipe: Run, api: Api, words: tuple[str, ...]) -> None:
    assert pipe("engine", "use", *words).code == 2
    assert api.asked == []


def test_a_rollback_goes_to_the_build_before(terminal: Run, api: Api) -> None:
    api.on(f"GET {BUILDS}", builds(build()))
    api.on(f"POST {ROLLOUTS}", Answer(status=202, body=rollout("canary", version="openwa_home")))
    api.on(f"GET {ROLLOUTS}/rol_1", Answer(body=rollout(version="openwa_home")))

    said = terminal("engine", "rollback")

    assert (said.code, api.asked[1].body) == (0, {"version": "openwa_home"})
    assert said.out == "2 sessions on openwa_home, which is the default now\n"


def test_a_rollback_calls_off_what_is_under_way(terminal: Run, api: Api) -> None:
    api.on(f"GET {BUILDS}", builds(build(), rollout=rollout("others")))
    api.on(f"DELETE {ROLLOUTS}/rol_1", Answer(status=202, body=rollout("halted")))
    api.on(f"GET {ROLLOUTS}/rol_1", Answer(body=rollout("halted")), Answer(body=rollout("rolled_back", detail="x")))

    said = terminal("engine", "rollback")

    assert said.code == 0
    assert [each.method for each in api.asked][:2] == ["GET", "DELETE"]
    assert said.out.startswith("rolled back after 0 of 2 sessions: x")


def test_without_a_build_before_there_is_no_rollback(pipe: Run, api: Api) -> None:
    api.on(f"GET {BUILDS}", builds(build(), default="openwa_home", former=None))

    said = pipe("engine", "rollback")

    assert said.code == 1
    assert "openwa_home was always the default" in said.err


def test_builds_are_removed_unless_somebody_needs_them(pipe: Run, api: Api) -> None:
    api.on(f"DELETE {BUILDS}/0.23.0", Answer(status=204))
    api.on(f"DELETE {BUILDS}/0.23.1", problem(409, "conflict", "the build 0.23.1 is in use: it is the default"))

    assert pipe("engine", "remove", "0.23.0").code == 0
    said = pipe("engine", "remove", "0.23.1")

    assert said.code == 1
    assert "it is the default" in said.err
