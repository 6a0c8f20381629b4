"""Sessions are moved to another build one after the other; a build that is no good costs nobody his session."""

import pytest

from openwa_manager.processes.reading.identity import environment_of, live_identity_of
from tests.e2e.builds.host import Host, moves_of, processes_below
from tests.e2e.builds.trees import write_built
from tests.e2e.peers.daemon import eventually

SESSIONS = ("a", "b", "c")


def install(host: Host, name: str, *, exits: int | None = None) -> str:
    """Install a build from a tree that needs no npm."""
    build = host.install(path=str(write_built(host.folder / f"tree-{name}", "0.23.0", exits=exits)), name=name)
    assert build["state"] == "ready", build
    return name


def test_all_sessions_come_to_the_build_and_it_becomes_the_default(host: Host) -> None:
    host.connect(*SESSIONS)
    host.daemon.create("resting", desired="stopped")
    before = host.daemon.registry()
    install(host, "good")

    rollout = host.until_rolled(host.roll_out("good"))

    assert rollout["state"] == "done", rollout
    assert host.running(SESSIONS) == dict.fromkeys(SESSIONS, ("connected", "good"))
    assert host.daemon.session("resting").text("status") == "stopped"
    assert all(host.daemon.registry()[each] != before[each] for each in SESSIONS)
    assert (host.builds()["default"], host.builds()["former"]) == ("good", "openwa_home")
    host.connect("new")
    assert host.running(["new"]) == {"new": ("connected", "good")}


def test_a_bad_build_costs_one_canary_a_restart_and_nobody_his_session(host: Host) -> None:
    host.connect(*SESSIONS)
    before = host.daemon.registry()
    install(host, "bad", exits=3)

    rollout = host.until_rolled(host.roll_out("bad"))

    assert rollout["state"] == "rolled_back", rollout
    assert str(rollout["detail"]).startswith("a: it was connected and is "), rollout
    assert moves_of(rollout) == {"a": "returned", "b": "waiting", "c": "waiting"}
    assert host.running(SESSIONS) == dict.fromkeys(SESSIONS, ("connected", "openwa_home"))
    after = host.daemon.registry()
    assert {each for each in SESSIONS if after[each] != before[each]} == {"a"}
    assert (host.builds()["default"], host.builds()["former"]) == ("openwa_home", None)


def test_twenty_connected_sessions_outlast_a_bad_build(host: Host) -> None:
    twenty = [f"s{number:02}" for number in range(20)]
    host.connect(*twenty)
    before = host.daemon.registry()
    install(host, "bad", exits=3)

    rollout = host.until_rolled(host.roll_out("bad"))

    assert rollout["state"] == "rolled_back", rollout
    assert host.running(twenty) == dict.fromkeys(twenty, ("connected", "openwa_home"))
    after = host.daemon.registry()
    assert [each for each in twenty if after[each] != before[each]] == ["s00"]


def test_named_sessions_pin_the_build_and_go_back_when_they_pin_none(host: Host) -> None:
    host.connect("a", "b")
    install(host, "good")

    rollout = host.until_rolled(host.roll_out("good", sessions=["b"]))

    assert rollout["state"] == "done", rollout
    assert host.running(["a", "b"]) == {"a": ("connected", "openwa_home"), "b": ("connected", "good")}
    assert host.builds()["default"] == "openwa_home"
    assert host.build("good")["pinned_by"] == ["b"]
    assert host.daemon.ask("PATCH", "/v1/sessions/b", {"build": None}).status == 200
    assert host.running(["b"]) == {"b": ("connected", "good")}  # until its next launch
    host.daemon.ask("POST", "/v1/sessions/b/restart?wait=20")
    assert host.running(["b"]) == {"b": ("connected", "openwa_home")}


def test_a_session_pins_only_what_is_there(host: Host) -> None:
    host.daemon.create("a", desired="stopped")
    host.daemon.create("simulated", desired="stopped", engine="simulator")
    install(host, "good")

    answers = [
        host.daemon.ask("PATCH", "/v1/sessions/a", {"build": "nothing"}),
        host.daemon.ask("PATCH", "/v1/sessions/simulated", {"build": "good"}),
        host.daemon.ask("POST", "/v1/builds/rollouts", {"version": "good", "sessions": ["simulated"]}),
        host.daemon.ask("POST", "/v1/builds/rollouts", {"version": "good", "sessions": ["nobody"]}),
        host.daemon.ask("POST", "/v1/builds/rollouts", {"version": "nothing"}),
        host.daemon.ask("PATCH", "/v1/sessions/a", {"build": "good"}),
    ]

    assert [each.status for each in answers] == [422, 422, 422, 404, 404, 200]


def test_what_is_in_use_cannot_be_removed(host: Host) -> None:
    host.connect("a", "b")
    install(host, "good")
    install(host, "other")
    host.until_rolled(host.roll_out("good"))
    host.until_rolled(host.roll_out("other", sessions=["b"]))

    refused = [host.daemon.ask("DELETE", f"/v1/builds/{each}") for each in ("good", "other", "openwa_home")]

    assert [each.status for each in refused] == [409, 409, 409]
    assert "b pins it" in refused[1].text("detail")
    host.until_rolled(host.roll_out("openwa_home"))
    assert "rollback" in host.daemon.ask("DELETE", "/v1/builds/good").text("detail")
    host.daemon.ask("PATCH", "/v1/sessions/b", {"build": None})
    assert "b runs it" in host.daemon.ask("DELETE", "/v1/builds/other").text("detail")
    host.daemon.ask("POST", "/v1/sessions/b/restart?wait=20")
    assert host.daemon.ask("DELETE", "/v1/builds/other").status == 204
    assert host.folders == ["good"]


@pytest.mark.parametrize("is_bad", [False, True])
def test_a_daemon_that_is_killed_meanwhile_goes_on_with_the_roll_out(host: Host, *, is_bad: bool) -> None:
    host.connect(*SESSIONS)
    install(host, "next", exits=3 if is_bad else None)
    rollout_id = host.roll_out("next")
    eventually(lambda: "moving" in moves_of(host.rollout(rollout_id)).values())

    for _ in range(2):
        host.daemon.kill()
        assert builds_that_run(host) <= {"openwa_home", "next"}
        host.daemon.start()

    rollout = host.until_rolled(rollout_id)
    expected = "openwa_home" if is_bad else "next"
    assert rollout["state"] == ("rolled_back" if is_bad else "done"), rollout
    assert host.running(SESSIONS) == dict.fromkeys(SESSIONS, ("connected", expected))
    assert host.builds()["default"] == expected


def test_a_roll_out_that_is_called_off_takes_back_what_it_moved(host: Host) -> None:
    host.connect(*SESSIONS)
    install(host, "good")
    rollout_id = host.roll_out("good", canary=2)
    eventually(lambda: "moved" in moves_of(host.rollout(rollout_id)).values())

    second = host.daemon.ask("POST", "/v1/builds/rollouts", {"version": "openwa_home"})
    called_off = host.daemon.ask("DELETE", f"/v1/builds/rollouts/{rollout_id}")

    assert (second.status, called_off.status) == (409, 202)
    rollout = host.until_rolled(rollout_id)
    assert (rollout["state"], rollout["detail"]) == ("rolled_back", "called off")
    assert host.running(SESSIONS) == dict.fromkeys(SESSIONS, ("connected", "openwa_home"))
    assert host.daemon.ask("DELETE", f"/v1/builds/rollouts/{rollout_id}").status == 409


def test_who_did_what_is_in_the_audit(host: Host) -> None:
    host.connect("a")
    install(host, "good")
    install(host, "other")
    host.until_rolled(host.roll_out("good"))
    host.daemon.ask("DELETE", "/v1/builds/other")

    rows = host.daemon.ask("GET", "/v1/audit?limit=1000").body["entries"]

    assert isinstance(rows, list)
    told = [(row["action"], row["target"]) for row in rows if isinstance(row, dict) and "build" in str(row["action"])]
    assert told == [
        ("build.install", "good"),
        ("build.install", "other"),
        ("build.use", "good"),
        ("build.rollout", "good"),
        ("build.remove", "other"),
    ]


def builds_that_run(host: Host) -> set[str]:
    """Return the builds of the engines that live, as their own environments tell them."""
    pids = processes_below(host.daemon.home / "sessions")
    return {
        environment_of(identity).get("OPENWA_MANAGER_BUILD", "") for pid in pids if (identity := live_identity_of(pid))
    }
