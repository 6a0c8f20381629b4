"""What OpenWA does to its supervisor, the same for the simulator and for the real program with a fake WhatsApp."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.peers.daemon import Daemon, engines_below, eventually
from tests.e2e.peers.phones import Phones
from tests.e2e.peers.upstream import Upstream
from tests.engines.rig import ON_REAL_OPENWA, SLOW_S

Serve = Callable[..., Daemon]

WORLDS = [
    pytest.param(Phones("simulator"), id="simulator"),
    pytest.param(Phones("openwa"), id="openwa", marks=ON_REAL_OPENWA),
]
in_both_worlds = pytest.mark.parametrize("phones", WORLDS)


def begin(serve: Serve, phones: Phones, upstream: Upstream, **settings: str) -> Daemon:
    quick = {"PROBE_PERIOD_S": "2", "PROBE_TIMEOUT_S": "1", "PROBE_MISSES": "3", **settings}
    return serve(
        engine=phones.engine,
        engine_env=phones.engine_env,
        environ=phones.environ,
        settings={**upstream.settings, **quick},
        ready_within_s=SLOW_S,
    )


def pair(daemon: Daemon, phones: Phones, *names: str) -> None:
    for name in names:
        daemon.create(name)
    for name in names:
        daemon.until(name, "qr_ready", within_s=SLOW_S)
        phones.steer(daemon, name, "scan")
    for name in names:
        daemon.until(name, "connected", within_s=SLOW_S)


@in_both_worlds
def test_a_session_pairs_and_tells_who_it_is(serve: Serve, phones: Phones, upstream: Upstream) -> None:
    daemon = begin(serve, phones, upstream)

    pair(daemon, phones, "user_7_session_a")

    told = eventually(lambda: upstream.of("user_7_session_a", "session.connected"))
    session = daemon.session("user_7_session_a").body
    assert told[0]["phone_number"] == session["phone_number"]
    assert str(session["phone_number"]).isdecimal()
    assert session["push_name"]
    assert upstream.of("user_7_session_a", "session.qr")


@in_both_worlds
def test_a_ban_ends_the_engine_and_nothing_starts_it_again(serve: Serve, phones: Phones, upstream: Upstream) -> None:
    daemon = begin(serve, phones, upstream)
    pair(daemon, phones, "acme")

    phones.steer(daemon, "acme", "close?code=403")
    session = daemon.until("acme", "banned", within_s=SLOW_S).body

    assert session["desired"] == "stopped"
    assert session["pid"] is None
    eventually(lambda: upstream.of("acme", "session.banned"))
    assert not engines_below(daemon.home)


@in_both_worlds
def test_a_connection_that_was_taken_over_is_said_to_be_and_not_fought_for(
    serve: Serve, phones: Phones, upstream: Upstream
) -> None:
    daemon = begin(serve, phones, upstream)
    pair(daemon, phones, "acme")
    pid = daemon.registry()["acme"]

    phones.steer(daemon, "acme", "close?code=440")
    session = daemon.until("acme", "disconnected", within_s=SLOW_S).body

    reason = session["reason"]
    assert isinstance(reason, dict)
    assert reason["code"] == "replaced"
    assert daemon.registry()["acme"] == pid


@in_both_worlds
def test_a_logout_on_the_phone_ends_the_engine_and_a_start_shows_a_fresh_code(
    serve: Serve, phones: Phones, upstream: Upstream
) -> None:
    daemon = begin(serve, phones, upstream)
    pair(daemon, phones, "acme")

    phones.steer(daemon, "acme", "close?code=401")
    daemon.until("acme", "logged_out", within_s=SLOW_S)
    daemon.ask("POST", "/v1/sessions/acme/start")

    assert daemon.until("acme", "qr_ready", within_s=SLOW_S).body["phone_number"] is None


@in_both_worlds
def test_a_dropped_line_is_waited_for(serve: Serve, phones: Phones, upstream: Upstream) -> None:
    daemon = begin(serve, phones, upstream)
    pair(daemon, phones, "acme")
    pid = daemon.registry()["acme"]

    phones.steer(daemon, "acme", "close?code=428")
    eventually(lambda: upstream.of("acme", "session.disconnected"))
    daemon.until("acme", "connected", within_s=SLOW_S)

    assert daemon.registry()["acme"] == pid


@in_both_worlds
@pytest.mark.parametrize("verb", ["crash", "exit?code=0", "hang?s=60"])
def test_an_engine_that_crashes_leaves_or_hangs_is_replaced_and_connects_again(
    serve: Serve, phones: Phones, upstream: Upstream, verb: str
) -> None:
    daemon = begin(serve, phones, upstream)
    pair(daemon, phones, "acme")
    pid = daemon.registry()["acme"]

    phones.steer(daemon, "acme", verb)
    eventually(lambda: daemon.registry().get("acme") not in (None, pid), within_s=SLOW_S)
    daemon.until("acme", "connected", within_s=SLOW_S)

    assert len(engines_below(daemon.home)) == 1


@in_both_worlds
def test_a_logout_here_unlinks_and_a_deletion_leaves_nothing(serve: Serve, phones: Phones, upstream: Upstream) -> None:
    daemon = begin(serve, phones, upstream)
    pair(daemon, phones, "acme", "beta")

    answer = daemon.ask("POST", "/v1/sessions/acme/logout")
    deleted = daemon.ask("DELETE", "/v1/sessions/beta?logout=true")

    if phones.engine == "openwa" and answer.status == 409:  # before 0.12 OpenWA has no such call: nothing happened
        assert daemon.session("acme").body["status"] == "connected"
        daemon.ask("DELETE", "/v1/sessions/acme")
    else:
        assert answer.status == 202
        daemon.until("acme", "logged_out", within_s=SLOW_S)
    assert deleted.status == 204
    assert not (daemon.home / "sessions" / "beta").exists()
    assert not engines_below(daemon.home)


@in_both_worlds
def test_a_pairing_code_is_handed_out(serve: Serve, phones: Phones, upstream: Upstream) -> None:
    daemon = begin(serve, phones, upstream)
    daemon.create("acme")
    daemon.until("acme", "qr_ready", within_s=SLOW_S)

    answer = daemon.ask("POST", "/v1/sessions/acme/pairing-code", {"phone_number": "+85212345678"})

    assert answer.status == 201, answer.raw
    assert answer.text("pairing_code")


@pytest.mark.slow
@in_both_worlds
def test_ten_sessions_survive_a_storm_with_the_daemon_killed_in_it(
    serve: Serve, phones: Phones, upstream: Upstream
) -> None:
    daemon = begin(serve, phones, upstream, START_CONCURRENCY="2")
    names = [f"user_{number}_session_s" for number in range(10)]
    pair(daemon, phones, *names)
    banned, replaced, gone, *others = names

    for name, verb in zip(
        others, ["close?code=428", "crash", "exit?code=0", "hang?s=30", "crash", "close?code=428"], strict=False
    ):
        phones.steer(daemon, name, verb)
    phones.steer(daemon, banned, "close?code=403")
    phones.steer(daemon, replaced, "close?code=440")
    phones.steer(daemon, gone, "close?code=401")
    time.sleep(1)  # let the storm be under way when the daemon dies
    daemon.kill()
    os.kill(next(iter(engines_below(daemon.home))), signal.SIGKILL)
    daemon.start()

    daemon.until(banned, "banned", within_s=SLOW_S)
    daemon.until(gone, "logged_out", within_s=SLOW_S)
    for name in others:
        daemon.until(name, "connected", within_s=SLOW_S)
    live = daemon.registry()
    assert sorted(engines_below(daemon.home)) == sorted(live.values())
    assert set(live) >= set(others)
    daemon.ask("POST", "/v1/sessions/stop", {})
    eventually(lambda: not daemon.registry(), within_s=SLOW_S)
    assert not engines_below(daemon.home)
    for name in names:
        numbers = [event["seq"] for event in upstream.of(name) if event["seq"] is not None]
        assert numbers == list(range(1, len(numbers) + 1))


def lose_directory(data: Path) -> None:
    gone = data.with_name("gone")  # at once: the engine makes and removes files in it meanwhile
    data.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def empty_database(data: Path) -> None:
    for database in data.glob("openwa.*"):
        os.truncate(database, 0)


def cut_database(data: Path) -> None:
    for database in data.glob("openwa.*"):
        size_bytes = database.stat().st_size
        if size_bytes:
            os.truncate(database, size_bytes // 2)


@in_both_worlds
@pytest.mark.parametrize("lose", [lose_directory, empty_database, cut_database])
def test_an_engine_that_lost_its_data_fails_and_shows_no_new_code(
    serve: Serve, phones: Phones, upstream: Upstream, lose: Callable[[Path], None]
) -> None:
    daemon = begin(serve, phones, upstream)
    pair(daemon, phones, "acme")
    shown = len(upstream.of("acme", "session.qr"))

    lose(daemon.home / "sessions" / "acme" / "data")
    session = daemon.until("acme", "failed", within_s=SLOW_S).body

    reason = session["reason"]
    assert isinstance(reason, dict)
    assert reason["code"] == "engine_data_lost"
    assert "put its files back" in str(reason["detail"])
    assert (session["pid"], session["desired"]) == (None, "running")
    restarts = session["restarts"]
    assert isinstance(restarts, dict)
    assert (restarts["last_reason"], restarts["next_at"]) == ("engine_data_lost", None)
    assert eventually(lambda: upstream.of("acme", "session.failed"))[0]["reason"] == "engine_data_lost"
    assert len(upstream.of("acme", "session.qr")) == shown


@in_both_worlds
def test_data_lost_while_no_daemon_watched_is_noticed_by_the_next(
    serve: Serve, phones: Phones, upstream: Upstream
) -> None:
    daemon = begin(serve, phones, upstream)
    pair(daemon, phones, "acme", "other")
    data = daemon.home / "sessions" / "acme" / "data"
    daemon.kill()

    shutil.copytree(data, data.with_name("copy"))
    shutil.rmtree(data)
    data.with_name("copy").rename(data)
    daemon.start()

    daemon.until("acme", "failed", within_s=SLOW_S)
    assert daemon.session("other").body["status"] == "connected"


@in_both_worlds
def test_a_session_whose_data_went_with_its_engine_shows_no_new_code(
    serve: Serve, phones: Phones, upstream: Upstream
) -> None:
    daemon = begin(serve, phones, upstream)
    pair(daemon, phones, "acme")

    lose_directory(daemon.home / "sessions" / "acme" / "data")
    with suppress(ProcessLookupError):
        os.kill(daemon.registry()["acme"], signal.SIGKILL)
    failed = daemon.until("acme", "failed", within_s=SLOW_S).body
    daemon.ask("POST", "/v1/sessions/acme/start")

    assert failed["reason"]["code"] == "engine_data_lost"  # type: ignore[index,call-overload]
    daemon.until("acme", "qr_ready", within_s=SLOW_S)
