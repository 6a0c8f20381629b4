"""Events through a backend that fails, stalls, lies and dies, while the daemon is killed again and again.

Longer and harder: OPENWA_TORTURE_KILLS=50 OPENWA_TORTURE_FLOOD=40 pytest tests/e2e/test_delivery_torture.py
"""

import hashlib
import hmac
import http.client
import json
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import SCANNED, Daemon, eventually, steer
from tests.e2e.peers.unreliable import Arrival, Unreliable
from tests.fakes.ports import free_ports

Serve = Callable[..., Daemon]

KILLS = int(os.environ.get("OPENWA_TORTURE_KILLS", "6"))
FLOOD = int(os.environ.get("OPENWA_TORTURE_FLOOD", "30"))
SESSIONS = [f"user_{number}_session_x" for number in range(5)]
#: So patient that no event is given up, so quick that nobody waits for it.
PATIENT = {"DELIVERY_SCHEDULE_S": f"[{', '.join(['0.05'] * 2000)}]"}


@pytest.mark.slow
@pytest.mark.timeout(30 + 10 * KILLS)
def test_every_event_arrives_in_order_whatever_breaks(serve: Serve) -> None:
    chance = random.Random(20)  # noqa: S311 (a test is to be repeatable)
    backend = Unreliable(free_ports(1)[0], chance)
    daemon = serve(settings={**backend.settings, **PATIENT}, engine_env={**SCANNED, "WEBHOOK_RETRY_DELAY": "1000"})
    with backend.open():
        for name in SESSIONS:
            daemon.create(name)
        sockets = [Path(daemon.until(name, "connected").text("socket")) for name in SESSIONS]
    for number in range(KILLS):
        torment(daemon, backend, sockets, number)
    with backend.open():
        wait_until_all_is_said(daemon)
        recorded = events_of(daemon)
        eventually(lambda: has_told_all(daemon), within_s=60, every_s=0.5)

    assert not backend.forged
    assert_in_order(backend.arrivals)
    assert_repeats_are_the_same(backend.arrivals)
    assert_nothing_is_missing(backend.arrivals, recorded)
    told = {arrival.event["id"] for arrival in backend.arrivals if arrival.event["type"] != "session.heartbeat"}
    assert told <= {event["id"] for event in events_of(daemon)}
    for name in SESSIONS:
        assert_messages_came_once(name, recorded, at_least=KILLS * FLOOD - given_up_by(daemon, name))


@pytest.mark.slow
def test_what_an_engine_repeats_is_no_second_event_even_after_a_kill(serve: Serve) -> None:
    daemon = serve(engine="command", settings={"COMMAND_ARGV": '["/bin/sleep", "1000"]'})
    pid = daemon.create("acme").number("pid")
    given = told_to(pid)

    answers = [post_message(given, number) for number in range(20)]
    daemon.kill()
    daemon.start()
    answers += [post_message(given, number) for number in range(40)]
    daemon.kill()
    daemon.start()
    answers += [post_message(given, number) for number in range(40)]

    messages = [event["data"] for event in events_of(daemon, "message.received")]
    assert answers == [200] * 100
    assert messages == [{"id": f"message-{number}", "body": "hello"} for number in range(40)]


def test_a_session_that_is_created_anew_takes_what_its_engine_posts_under_old_keys(serve: Serve) -> None:
    daemon = serve(engine="command", settings={"COMMAND_ARGV": '["/bin/sleep", "1000"]'})
    answers = []

    for _ in range(2):
        pid = daemon.create("acme").number("pid")
        given = told_to(pid)
        answers += [post_message(given, number) for number in range(2)]
        assert daemon.ask("DELETE", "/v1/sessions/acme").status < 300
        eventually(lambda: daemon.ask("GET", "/v1/sessions/acme").status == 404)

    assert answers == [200] * 4
    messages = [event["data"] for event in events_of(daemon, "message.received")]
    assert messages == [{"id": f"message-{number}", "body": "hello"} for number in (0, 1, 0, 1)]


def told_to(pid: int) -> Mapping[str, str]:
    """Return the variables an engine was given, once it has begun."""
    return eventually(lambda: environ if "WEBHOOK_URL" in (environ := psutil.Process(pid).environ()) else None)


def post_message(given: Mapping[str, str], number: int) -> int:
    """Post as the engine does that was given these variables, and return the status of the answer."""
    data = {"id": f"message-{number}", "body": "hello"}
    body = json.dumps({"event": "message.received", "data": data}).encode()
    signature = hmac.new(given["WEBHOOK_SECRET"].encode(), body, hashlib.sha256).hexdigest()
    address = urlsplit(given["WEBHOOK_URL"])
    intake = http.client.HTTPConnection(str(address.hostname), address.port, timeout=45)
    try:
        headers = {"X-OpenWA-Signature": f"sha256={signature}", "X-OpenWA-Idempotency-Key": data["id"]}
        intake.request("POST", address.path, body, headers)
        return intake.getresponse().status
    finally:
        intake.close()


def torment(daemon: Daemon, backend: Unreliable, sockets: Sequence[Path], number: int) -> None:
    """Cause many events, let the backend go away and come back, and kill the daemon at some moment of it all."""
    with ExitStack() as opened:
        if number % 3:
            opened.enter_context(backend.open())
        passing = daemon.create(f"passing_{number}").text("session_id")
        for socket in sockets:
            steer(socket, f"flood?n={FLOOD}")
        if number % 2:
            daemon.ask("POST", f"/v1/sessions/{passing}/stop")
            opened.close()
            opened.enter_context(backend.open())
            has_told_all(daemon)
        time.sleep(backend.chance.random() ** 3)  # any moment will do, best of all while the messages come in
        daemon.kill()
        daemon.start()


def has_told_all(daemon: Daemon) -> bool:
    """Tell whether nothing waits; if the breaker is open, have it closed: the test has no half a minute for a probe."""
    daemon.ask("POST", "/v1/endpoints/default/resume")
    return not daemon.ask("GET", "/v1/deliveries?state=pending").body["deliveries"]


def wait_until_all_is_said(daemon: Daemon) -> None:
    """Wait until every message is on the daemon's disk, or its engine has given up: we were away each time it tried."""

    def is_all_said() -> bool:
        said = Counter(event["session_id"] for event in events_of(daemon, "message.received"))
        return all(said[name] + given_up_by(daemon, name) >= KILLS * FLOOD for name in SESSIONS)

    eventually(is_all_said, within_s=60, every_s=0.3)


def given_up_by(daemon: Daemon, session_id: str) -> int:
    """Return how many messages an engine stopped repeating; those it was never told of may be recorded all the same."""
    log = daemon.home / "sessions" / session_id / "logs" / "engine.log"
    return log.read_text().count(" attempt 5: ")


def events_of(daemon: Daemon, event_type: str = "") -> list[dict[str, Json]]:
    """Return every event the daemon has recorded, as it tells them itself."""
    events: list[dict[str, Json]] = []
    after, narrowed = 0, f"&type={event_type}" if event_type else ""
    while True:
        page = daemon.ask("GET", f"/v1/events?after={after}&limit=1000{narrowed}")
        found = page.body["events"]
        assert isinstance(found, list)
        if not found:
            return events
        events += found
        after = page.number("next_after")


def numbered(arrivals: Sequence[Arrival]) -> dict[str, list[Arrival]]:
    """Return the arrivals of each session that have a number, as they came; what the daemon says of itself has none."""
    by_session: dict[str, list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        if arrival.event["session_id"] is not None and arrival.event["seq"] is not None:
            by_session[str(arrival.event["session_id"])].append(arrival)
    return by_session


def number_of(arrival: Arrival) -> int:
    return int(str(arrival.event["seq"]))


def assert_in_order(arrivals: Sequence[Arrival]) -> None:
    """Let nothing overtake, and nothing but the event under way be sent again: the numbers never fall."""
    for session_id, those in numbered(arrivals).items():
        numbers = [number_of(arrival) for arrival in those]
        assert numbers == sorted(numbers), session_id
        assert set(numbers) == set(range(1, numbers[-1] + 1)), session_id


def assert_repeats_are_the_same(arrivals: Sequence[Arrival]) -> None:
    """Give one event one id, and one id one body, byte for byte."""
    bodies: dict[Json, set[bytes]] = defaultdict(set)
    ids: dict[tuple[Json, Json], set[Json]] = defaultdict(set)
    for arrival in arrivals:
        bodies[arrival.event["id"]].add(arrival.body)
        if arrival.event["seq"] is not None:
            ids[arrival.event["session_id"], arrival.event["seq"]].add(arrival.event["id"])
    assert [each for each in bodies.values() if len(each) > 1] == []
    assert [each for each in ids.values() if len(each) > 1] == []


def assert_nothing_is_missing(arrivals: Sequence[Arrival], recorded: Sequence[dict[str, Json]]) -> None:
    """Find everything the daemon recorded at the backend; codes are worth nothing later and may be missing."""
    stored = {arrival.event["id"] for arrival in arrivals if arrival.is_stored}
    assert [event for event in recorded if event["type"] != "session.qr" and event["id"] not in stored] == []


def assert_messages_came_once(session_id: str, recorded: Sequence[dict[str, Json]], *, at_least: int) -> None:
    """Find one event for each message the engine received, however often the engine had to say it."""
    mine = [e["data"] for e in recorded if e["session_id"] == session_id and e["type"] == "message.received"]
    ids = [message["id"] for message in mine if isinstance(message, dict)]
    assert len(set(ids)) == len(ids) >= at_least
