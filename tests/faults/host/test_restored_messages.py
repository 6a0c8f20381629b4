"""A database that is older than what happened sends nothing by itself, however it came back; a kill holds nothing."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.peers.daemon import Daemon, eventually
from tests.faults.host.test_lost_database import copy, damage, put_back, recovered

Serve = Callable[..., Daemon]
MESSAGES = "/v1/sessions/acme/messages"


def send(daemon: Daemon, to: str = "85212345678") -> str:
    answer = daemon.ask("POST", MESSAGES, {"to": to, "text": "hello"})
    assert answer.status == 202, answer.raw
    return answer.text("message_id")


def held(daemon: Daemon, message_id: str, code: str) -> None:
    """Return once the message is held for this reason; the queues are looked at shortly after the start."""

    def is_so() -> bool:
        hold = daemon.ask("GET", f"/v1/messages/{message_id}").body["hold"]
        return isinstance(hold, dict) and hold["code"] == code

    eventually(is_so)


def back_up(home: Path) -> None:
    """Copy the database as sqlite's own tool does, while it is in use."""
    target = home / "copies" / "manager-1.db"
    with closing(sqlite3.connect(home / "manager.db")) as source, closing(sqlite3.connect(target)) as made:
        source.backup(made)
    target.chmod(0o600)


@pytest.mark.parametrize(("make", "fault"), [(copy, put_back), (copy, damage), (back_up, put_back)])
def test_what_waits_in_an_older_copy_is_held_until_a_person_lets_it_go(
    serve: Serve, make: Callable[[Path], None], fault: Callable[[Path], None]
) -> None:
    daemon = serve()
    daemon.create("acme", desired="stopped")
    waiting, cancelled = send(daemon), send(daemon)
    make(daemon.home)
    assert daemon.ask("DELETE", f"/v1/messages/{cancelled}").status == 200

    daemon.kill()
    fault(daemon.home)
    daemon.start()

    for each in (waiting, cancelled):
        held(daemon, each, "restored")
    told = recovered(daemon)
    assert str(told["lost_since"]).startswith("20")
    assert str(told["restored_from"]).endswith("manager-1.db") == (fault is damage)
    daemon.kill()
    daemon.start()
    held(daemon, waiting, "restored")
    assert daemon.ask("PATCH", "/v1/sessions/acme/queue", {"state": "active"}).status == 200
    held(daemon, waiting, "not_connected")


def test_a_home_that_was_put_back_whole_is_held_too(serve: Serve) -> None:
    daemon = serve()
    daemon.create("acme", desired="stopped")
    waiting = send(daemon)
    daemon.terminate()
    saved = daemon.home.with_name("saved")
    shutil.copytree(daemon.home, saved, ignore=shutil.ignore_patterns("*.sock", "s"))
    daemon.start()
    assert daemon.ask("DELETE", f"/v1/messages/{waiting}").status == 200
    daemon.kill()

    shutil.rmtree(daemon.home)
    saved.rename(daemon.home)
    daemon.start()

    held(daemon, waiting, "restored")


def test_kills_hold_nothing(serve: Serve) -> None:
    daemon = serve()
    daemon.create("acme", desired="stopped")

    for number in range(5):
        waiting = send(daemon, f"8521234567{number}")
        daemon.kill()
        daemon.start()

        held(daemon, waiting, "not_connected")
    assert daemon.ask("GET", "/v1/events?type=manager.recovered&limit=10").body["events"] == []
