"""Events from the outside: several endpoints, secrets that change, dead letters, live streams, codes that overtake."""

import base64
import hashlib
import hmac
import http.client
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.session.png import is_whole_png
from openwa_manager.simulator.whatsapp.png import draw_png
from openwa_manager.simulator.whatsapp.qrcode import encode_qr
from tests.e2e.peers.backend import Backend, Post
from tests.e2e.peers.daemon import SCANNED, Daemon, UnixConnection, eventually
from tests.fakes.ports import free_ports

Serve = Callable[..., Daemon]

#: Endpoints of the tests are on this host; three tries in a moment.
OPEN = {"ALLOW_PRIVATE_ENDPOINTS": "true", "DELIVERY_SCHEDULE_S": "[0, 0.05, 0.05]"}


@pytest.fixture
def backend() -> Iterator[Backend]:
    with Backend(free_ports(1)[0]) as running:
        yield running


def add(daemon: Daemon, url: str, **fields: Json) -> dict[str, Json]:
    answer = daemon.ask("POST", "/v1/endpoints", {"url": url, **fields})
    assert answer.status == 201, answer.raw
    return answer.body


def verifies(post: Post, secret: str) -> bool:
    try:
        Webhook(secret).verify(post.body, dict(post.headers))
    except WebhookVerificationError:
        return False
    return True


def plain(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def listed(daemon: Daemon, path: str, name: str) -> list[dict[str, Json]]:
    found = daemon.ask("GET", path).body[name]
    assert isinstance(found, list)
    return found


def test_each_endpoint_is_told_what_it_asked_for(serve: Serve, backend: Backend) -> None:
    daemon = serve(settings=OPEN, engine_env=SCANNED)
    filters: Mapping[str, dict[str, Json]] = {
        "/all": {},
        "/links": {"events": ["session.connected", "session.disconnected"]},
        "/shop": {"sessions": ["shop_*"]},
        "/messages": {"events": ["message.*"], "sessions": ["shop_1"]},
    }
    for path, fields in filters.items():
        add(daemon, backend.url(path), **fields)

    for name in ("shop_1", "bank_1"):
        daemon.create(name)
        daemon.until(name, "connected")
    daemon.steer("shop_1", "receive?from=85200000000&text=hello")
    eventually(lambda: backend.events("/messages"))
    eventually(lambda: len(backend.events("/links")) == 2)
    for name in ("shop_1", "bank_1"):
        daemon.ask("POST", f"/v1/sessions/{name}/stop?wait=20")
    eventually(lambda: not listed(daemon, "/v1/deliveries?state=pending", "deliveries"))

    assert {event["session_id"] for event in backend.events("/shop")} == {"shop_1"}
    assert {event["type"] for event in backend.events("/links")} == {"session.connected", "session.disconnected"}
    assert [event["type"] for event in backend.events("/messages")] == ["message.received"]
    for name in ("shop_1", "bank_1"):
        numbers = [event["seq"] for event in backend.events("/all") if event["session_id"] == name and event["seq"]]
        assert numbers == list(range(1, len(numbers) + 1))


def test_a_rotated_secret_signs_beside_the_old_one_for_receivers_of_both_kinds(serve: Serve, backend: Backend) -> None:
    daemon = serve(settings=OPEN)
    made = add(daemon, backend.url("/hook"))
    path = f"/v1/endpoints/{made['endpoint_id']}"

    rotated = daemon.ask("POST", f"{path}/rotate-secret", {}).body
    daemon.kill()
    daemon.start()
    tested = daemon.ask("POST", f"{path}/test").body
    daemon.create("acme", desired="stopped")
    eventually(lambda: any(event["type"] == "session.created" for event in backend.events("/hook")))

    old, new = str(made["secret"]), str(rotated["secret"])
    assert old != new
    assert (tested["delivered"], tested["status"]) == (True, 200)
    for post in backend.posts_to("/hook"):
        assert verifies(post, old)
        assert verifies(post, new)
        assert not verifies(post, "whsec_" + base64.b64encode(b"somebody else's secret ...").decode())
        assert post.headers["x-openwa-signature"] == plain(new, post.body)
        assert post.headers["x-openwa-signature-previous"] == plain(old, post.body)


def test_addresses_of_our_own_network_are_refused_unless_the_settings_permit_them(serve: Serve) -> None:
    daemon = serve()

    for url in (
        *("http://127.0.0.1/", "http://localhost:8080/", "http://169.254.169.254/latest/meta-data", "http://[::1]/"),
        *("http://10.0.0.1/", "http://[64:ff9b::a00:1]/", "http://[2002:7f00:1::]/", "http://user@example.com/"),
    ):
        answer = daemon.ask("POST", "/v1/endpoints", {"url": url})
        assert (answer.status, answer.body["field"]) == (422, "url"), url
    assert daemon.ask("POST", "/v1/endpoints", {"url": "https://example.com/hook"}).status == 201


def test_what_was_given_up_is_a_dead_letter_until_it_is_replayed(serve: Serve, backend: Backend) -> None:
    daemon = serve(settings=OPEN)
    add(daemon, backend.url("/hook"), events=["session.created"])
    add(daemon, backend.url("/news"), events=["delivery.*"])
    backend.statuses["/hook"] = 500

    daemon.create("acme", desired="stopped")
    (dead,) = eventually(lambda: listed(daemon, "/v1/deliveries?state=dead", "deliveries"))
    news = eventually(lambda: backend.events("/news"))
    backend.statuses["/hook"] = 200
    replayed = daemon.ask("POST", "/v1/deliveries/replay", {"state": "dead"})
    eventually(lambda: not listed(daemon, "/v1/deliveries?state=dead", "deliveries"))
    (settled,) = eventually(lambda: listed(daemon, "/v1/deliveries?state=delivered&session_id=acme", "deliveries")[1:])

    assert (dead["event_type"], dead["attempts"], dead["last_status"]) == ("session.created", 3, 500)
    assert (news[0]["event_id"], news[0]["seq"], news[0]["reason"]) == (dead["event_id"], None, "exhausted")
    assert (replayed.status, replayed.body) == (202, {"count": 1})
    assert settled["event_id"] == dead["event_id"]
    assert {event["id"] for event in backend.events("/hook")} == {dead["event_id"]}


@dataclass(frozen=True)
class Told:
    """One event of a stream."""

    position: int
    type: str
    event: dict[str, Json]


def listen(daemon: Daemon, last: int | None = None, path: str = "/v1/events?after=0") -> Iterator[Told]:
    """Yield what the daemon streams until the line breaks."""
    with closing(UnixConnection(daemon.home / "run" / "manager.sock")) as connection:
        resume = {} if last is None else {"Last-Event-ID": str(last)}
        headers = {"Accept": "text/event-stream", "X-API-Key": daemon.key, **resume}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        frame: dict[str, str] = {}
        while line := answer.readline().decode():
            name, _, value = line.rstrip("\n").partition(": ")
            frame[name] = value
            if line == "\n":
                if "data" in frame:
                    yield Told(int(frame["id"]), frame["event"], json.loads(frame["data"]))
                frame = {}


@pytest.mark.slow
def test_a_stream_resumes_without_a_gap_although_the_daemon_is_killed(serve: Serve) -> None:
    daemon = serve(engine_env=SCANNED)
    heard: list[Told] = []

    for number in range(4):
        last = heard[-1].position if heard else None
        daemon.create(f"s{number}")
        for told in listen(daemon, last):
            heard.append(told)
            if told.type == "session.connected" and told.event["session_id"] == f"s{number}":
                break
        daemon.kill()
        daemon.start()
    with suppress(http.client.HTTPException):
        for told in listen(daemon, heard[-1].position):
            heard.append(told)
            if told.type == "manager.started" and len([each for each in heard if each.type == told.type]) == 5:
                break

    paged = listed(daemon, "/v1/events?limit=1000", "events")[: len(heard)]
    positions = [told.position for told in heard]
    assert positions == list(range(1, len(heard) + 1))
    assert [told.event["id"] for told in heard] == [event["id"] for event in paged]


def test_streams_end_in_order_when_the_daemon_is_stopped(serve: Serve) -> None:
    daemon = serve()
    streams = [listen(daemon) for _ in range(5)]
    first = [next(stream) for stream in streams]

    code = daemon.terminate()
    rest = [[told.type for told in stream] for stream in streams]

    assert {told.type for told in first} == {"manager.started"}
    assert code == 0
    assert rest == [["manager.stopping"]] * 5


def test_a_code_is_told_although_hundreds_of_events_wait_and_another_endpoint_fails(
    serve: Serve, backend: Backend
) -> None:
    daemon = serve(
        settings={**OPEN, "ENGINE": "command", "COMMAND_ARGV": '["/bin/sleep", "1000"]', "PAIRING_WINDOW_S": "1000"}
    )
    add(daemon, backend.url("/failing"))
    add(daemon, backend.url("/well"), events=["session.qr"])
    backend.statuses["/failing"] = 503
    fill(daemon, 400)
    backlog = listed(daemon, "/v1/endpoints", "endpoints")[0]["pending_count"]

    daemon.create("acme")
    draw(daemon, "acme")
    (code,) = eventually(lambda: backend.events("/well"))

    assert isinstance(backlog, int)
    assert backlog >= 400
    assert is_whole_png(base64.b64decode(str(code["qr_base64"])))
    assert listed(daemon, "/v1/endpoints", "endpoints")[0]["status"] == "down"


def fill(daemon: Daemon, count: int) -> None:
    """Make so many events that wait."""

    def live(number: int) -> None:
        daemon.create(f"s{number}", desired="stopped")
        daemon.ask("DELETE", f"/v1/sessions/s{number}")

    with ThreadPoolExecutor(8) as callers:
        deque(callers.map(live, range(count // 2)), 0)


def draw(daemon: Daemon, session_id: str) -> None:
    """Show a code as an engine without HTTP does."""
    directory: Path = daemon.home / "sessions" / session_id
    (directory / "fresh.png").write_bytes(draw_png(encode_qr(b"2@code")))
    (directory / "fresh.png").replace(directory / "qr.png")
