"""A database that is lost costs no engine and no session: the copy, the directories and the processes tell the rest."""

import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from openwa_manager.store.backup.copies import write_copy
from tests.e2e.peers.daemon import SCANNED, Daemon, engines_below, eventually
from tests.faults.programs import COMMAND, running

Serve = Callable[..., Daemon]

#: Tells that it is connected, again and again.
CONNECTED = """
while True:
    try:
        post("session.connected", phone_number="85212345678")
    except OSError:
        pass
    time.sleep(0.2)
"""


def damage(home: Path) -> None:
    """Overwrite the database while nobody has it open."""
    for suffix in ("-wal", "-shm"):
        (home / f"manager.db{suffix}").unlink(missing_ok=True)
    (home / "manager.db").write_bytes(os.urandom(100_000))


def lose(home: Path) -> None:
    """Remove the database."""
    for file in home.glob("manager.db*"):
        file.unlink()


def copy(home: Path) -> None:
    """Make the copy that is otherwise made every hour."""
    with closing(sqlite3.connect(home / "manager.db", isolation_level=None)) as database:
        write_copy(database, home / "copies" / "manager-1.db")


def put_back(home: Path) -> None:
    """Put the copy in the place of the database, as a person does."""
    lose(home)
    shutil.copy2(home / "copies" / "manager-1.db", home / "manager.db")


def events_behind(daemon: Daemon, after: int) -> tuple[list[dict[str, Json]], int]:
    """Return the events behind a position, and the position behind them."""
    page = daemon.ask("GET", f"/v1/events?after={after}&limit=1000")
    events = page.body["events"]
    assert isinstance(events, list)
    return events, page.number("next_after")


def number_of(event: dict[str, Json]) -> tuple[Json, Json]:
    return event["session_id"], event["seq"]


def recovered(daemon: Daemon) -> dict[str, Json]:
    events = daemon.ask("GET", "/v1/events?type=manager.recovered&limit=10").body["events"]
    assert isinstance(events, list)
    (event,) = events
    assert isinstance(event, dict)
    return event


@pytest.mark.parametrize("fault", [damage, lose])
def test_without_a_copy_directories_and_engines_become_sessions_again(
    serve: Serve, fault: Callable[[Path], None]
) -> None:
    daemon = serve(engine_env=SCANNED, settings=COMMAND)
    for name in ("user_7_session_x", "rested", "own"):
        daemon.create(name, **(running(CONNECTED) if name == "own" else {}))
        daemon.until(name, "connected")
    daemon.ask("POST", "/v1/sessions/rested/stop?wait=20")
    before = daemon.registry()

    daemon.kill()
    fault(daemon.home)
    daemon.start()

    for name in before:
        daemon.until(name, "connected")
    assert daemon.registry() == before
    assert daemon.session("rested").body["status"] == "stopped"
    assert daemon.session("user_7_session_x").body["user_id"] == "7"
    assert daemon.session("own").body["engine"] == "command"
    assert (recovered(daemon)["adopted"], recovered(daemon)["resting"]) == (2, 1)
    assert '"event": "database_lost"' in daemon.log
    assert list(daemon.home.glob("manager.db.damaged-*")) or fault is lose
    daemon.ask("POST", "/v1/sessions/rested/start?wait=0")
    daemon.until("rested", "connected")
    daemon.ask("POST", "/v1/sessions/stop", {})
    eventually(lambda: not engines_below(daemon.home))


def test_an_older_copy_is_brought_up_to_date_by_what_lives(serve: Serve) -> None:
    daemon = serve(engine_env=SCANNED)
    for name in ("same", "relaunched", "deleted"):
        daemon.create(name, labels={"kept": "yes"})
        daemon.until(name, "connected")
    copy(daemon.home)
    old = daemon.registry()["relaunched"]
    os.kill(old, signal.SIGKILL)
    eventually(lambda: daemon.registry().get("relaunched") not in (None, old))
    daemon.until("relaunched", "connected")
    daemon.create("young")
    daemon.until("young", "connected")
    daemon.ask("DELETE", "/v1/sessions/deleted")
    before = daemon.registry()

    daemon.kill()
    damage(daemon.home)
    daemon.start()

    for name in ("same", "relaunched", "young"):
        daemon.until(name, "connected")
    assert daemon.registry() == before
    assert daemon.session("relaunched").body["labels"] == {"kept": "yes"}
    assert daemon.session("deleted").body["status"] == "stopped"
    assert str(recovered(daemon)["restored_from"]).endswith("manager-1.db")


@pytest.mark.parametrize("fault", [damage, put_back, lose])
def test_positions_and_numbers_go_on_after_the_database_was_lost(serve: Serve, fault: Callable[[Path], None]) -> None:
    daemon = serve(engine_env=SCANNED)
    daemon.create("acme")
    daemon.until("acme", "connected")
    if fault is not lose:
        copy(daemon.home)
    for _ in range(2):
        daemon.ask("POST", "/v1/sessions/acme/restart")
        daemon.until("acme", "connected")
    before, position = events_behind(daemon, 0)

    daemon.kill()
    fault(daemon.home)
    daemon.start()
    daemon.ask("POST", "/v1/sessions/acme/stop?wait=20")

    after, _ = events_behind(daemon, position)
    assert {"manager.recovered", "manager.started", "session.stopped"} <= {event["type"] for event in after}
    assert daemon.ask("GET", "/v1/audit?action=manager.recovered").body["entries"]
    assert not {event["id"] for event in before} & {event["id"] for event in after}
    given_out = {number_of(event) for event in before if event["seq"] is not None}
    new = [number_of(event) for event in after if event["seq"] is not None]
    assert new == sorted(set(new), key=lambda number: int(str(number[1])))
    assert not given_out & set(new)


def test_damage_at_run_time_ends_the_daemon_which_then_recovers(serve: Serve) -> None:
    daemon = serve(engine_env=SCANNED)
    daemon.create("acme")
    daemon.until("acme", "connected")
    before = daemon.registry()
    assert daemon.process is not None

    for file in daemon.home.glob("manager.db*"):
        with file.open("r+b") as open_file:  # in place: the daemon has it open
            open_file.write(os.urandom(file.stat().st_size))
    with suppress(OSError):  # whoever writes next meets the damage
        daemon.ask("POST", "/v1/sessions/acme/restart")
    exit_code = daemon.process.wait(30)
    alive = engines_below(daemon.home)
    daemon.start()

    daemon.until("acme", "connected")
    assert exit_code != 0
    assert alive == list(before.values())
    assert daemon.registry() == before


def test_the_copy_is_found_in_a_home_of_any_name(tmp_path: Path) -> None:
    with Daemon(home=tmp_path / "a b%20#?c", engine_env=SCANNED) as daemon:
        daemon.create("acme")
        daemon.until("acme", "connected")
        copy(daemon.home)

        daemon.kill()
        damage(daemon.home)
        daemon.start()

        daemon.until("acme", "connected")
        assert str(recovered(daemon)["restored_from"]).endswith("manager-1.db")
