"""Every event that a daemon with simulators tells has the fields that the table of events says it has."""

import json
from collections.abc import Callable, Iterator

import pytest

from openwa_manager.domain.delivery.event_types import EVENT_TYPES
from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.backend import Backend
from tests.e2e.peers.daemon import SCANNED, Daemon, eventually
from tests.fakes.ports import free_ports
from tests.reference.settings import home_files
from tests.reference.told import differences

#: What is told once a day, after a sleep, or by engines that do what simulators do not; tested where it is made.
ELSEWHERE = {"audit.head", "host.slept", "status.received", "presence.*", "group.*", "call.*"}
ELSEWHERE |= {"message.revoked", "message.reaction", "message.edited"}
SETTINGS = {
    "DELIVERY_SCHEDULE_S": "[0, 0.05]",
    "ALLOW_PRIVATE_ENDPOINTS": "true",
    "CRASH_LOOP_COUNT": "2",
    "HEARTBEAT_S": "0.5",
    "BATCH_PROGRESS_S": "0.1",
    "MESSAGE_GAP_MIN_S": "0",
    "MESSAGE_GAP_MAX_S": "0",
    "UPSTREAM_SECRET": "sixteen characters",
}
NUMBERS = ("+85212345678", "+85212340001")


@pytest.fixture
def backend() -> Iterator[Backend]:
    with Backend(free_ports(1)[0]) as running:
        yield running


def posted(backend: Backend) -> list[dict[str, Json]]:
    return [json.loads(post.body) for post in list(backend.posts)]


def until_told(backend: Backend, name: str) -> None:
    eventually(lambda: any(each["type"] == name for each in posted(backend)))


def send_to(daemon: Daemon, session_id: str) -> None:
    """Have a message read, one refused, and a batch sent."""
    for number in NUMBERS:
        daemon.ask("POST", f"/v1/sessions/{session_id}/messages", {"to": number, "text": "Hello"})
    batch: dict[str, Json] = {
        "template": {"text": "Hi"},
        "recipients": [{"to": f"+8521234600{n}"} for n in range(20, 25)],
    }
    assert daemon.ask("POST", f"/v1/sessions/{session_id}/messages/bulk", batch).status == 202


def write_to(daemon: Daemon, session_id: str) -> None:
    """Have people say that they want no more messages, more than one a second."""
    daemon.steer(session_id, "receive?from=85200000000&text=hello")
    for number in range(80):
        daemon.steer(session_id, f"receive?from=852000001{number:02}&text=STOP")


def end_in_all_ways(daemon: Daemon, backend: Backend) -> None:
    """Have engines crash, links drop, and sessions end."""
    daemon.steer("a", "restrict")
    until_told(backend, "session.restricted")  # before it crashes: an engine that ends takes along what it had to tell
    daemon.steer("a", "exit?code=1")
    daemon.steer("banned", "close?code=403")
    daemon.steer("gone", "close?code=401")
    daemon.until("banned", "banned")
    daemon.until("gone", "logged_out")
    daemon.create("loops", env={"SIM_EXIT_AT_BOOT": "1"})
    daemon.until("loops", "failed")
    assert daemon.ask("DELETE", "/v1/sessions/gone").status == 204
    daemon.until("a", "connected")


def recover(daemon: Daemon) -> None:
    """Have the daemon end as it should, then lose its registry."""
    daemon.terminate()
    for path in daemon.home.glob("manager.db*"):
        path.unlink()
    daemon.start()


def test_every_event_is_told_with_the_fields_of_the_table(serve: Callable[..., Daemon], backend: Backend) -> None:
    daemon = serve(engine_env=SCANNED, settings={**SETTINGS, "UPSTREAM_URL": backend.url("/all")})
    backend.statuses["/broken"] = 500
    daemon.ask("POST", "/v1/endpoints", {"url": backend.url("/broken"), "events": ["session.connected"]})
    for name in ("a", "banned", "gone"):
        daemon.create(name)
        daemon.until(name, "connected")

    send_to(daemon, "a")
    for name in ("message.read", "message.failed", "batch.completed", "session.heartbeat", "delivery.dead_lettered"):
        until_told(backend, name)
    write_to(daemon, "a")
    until_told(backend, "queue.held")
    end_in_all_ways(daemon, backend)
    assert daemon.ask("POST", "/v1/endpoints/default/test").status == 200
    for name in ("session.disconnected", "session.deleted", "session.restarted", "session.failed", "batch.progress"):
        until_told(backend, name)
    recover(daemon)
    until_told(backend, "manager.recovered")

    assert [each for body in posted(backend) for each in differences(body)] == []
    assert set(EVENT_TYPES) - {str(each["type"]) for each in posted(backend)} == ELSEWHERE
    listed = daemon.ask("GET", "/v1/events?limit=1000").body["events"]
    assert isinstance(listed, list)
    assert [each for body in listed if isinstance(body, dict) for each in differences(body)] == []
    found = {each.name for each in daemon.home.iterdir()} | {
        f"run/{each.name}" for each in (daemon.home / "run").iterdir()
    }
    assert found - {*home_files(), "manager.db-wal", "manager.db-shm", "run/manager.sock", "run/daemon.lock"} == set()
