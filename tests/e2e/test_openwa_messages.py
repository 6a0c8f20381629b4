"""What becomes of messages of the queue, the same for the simulator and for the real OpenWA with a fake WhatsApp."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from openwa_manager.domain.delivery.events import Json
from openwa_manager.simulator.whatsapp.png import draw_png
from openwa_manager.simulator.whatsapp.qrcode import encode_qr
from tests.e2e.peers.daemon import Answer, Daemon, eventually
from tests.e2e.peers.phones import Phones
from tests.e2e.peers.upstream import Upstream
from tests.engines.rig import ON_REAL_OPENWA, SLOW_S

Serve = Callable[..., Daemon]

WORLDS = [
    pytest.param(Phones("simulator"), id="simulator"),
    pytest.param(Phones("openwa"), id="openwa", marks=ON_REAL_OPENWA),
]
in_both_worlds = pytest.mark.parametrize("phones", WORLDS)

SESSION = "user_7_session_a"
#: Nobody waits for long: neither between messages nor for an engine that is silent.
QUICK = {
    "PROBE_PERIOD_S": "2",
    "PROBE_TIMEOUT_S": "1",
    "PROBE_MISSES": "3",
    "MESSAGE_GAP_MIN_S": "0.1",
    "MESSAGE_GAP_MAX_S": "0.2",
    "SEND_TIMEOUT_S": "8",
    "MESSAGE_RETRY_S": "[0.5, 1, 2]",
}


@pytest.fixture
def begin(serve: Serve, upstream: Upstream) -> Callable[..., Daemon]:
    """Start a daemon with a session that is linked."""

    def start(phones: Phones, **env: str) -> Daemon:
        daemon = serve(
            engine=phones.engine,
            engine_env={**phones.engine_env, "SSRF_ALLOWED_HOSTS": "127.0.0.1"},
            environ=phones.environ,
            settings={**upstream.settings, **QUICK},
            ready_within_s=SLOW_S,
        )
        daemon.create(SESSION, env={"SIMULATE_TYPING": "false", **env})
        daemon.until(SESSION, "qr_ready", within_s=SLOW_S)
        phones.steer(daemon, SESSION, "scan")
        daemon.until(SESSION, "connected", within_s=SLOW_S)
        return daemon

    return start


def send(daemon: Daemon, number: str, **content: Json) -> str:
    """Hand a message over and return its id."""
    answer = daemon.ask("POST", f"/v1/sessions/{SESSION}/messages", {"to": f"+{number}", **(content or {"text": "hi"})})
    assert answer.status == 202, answer.raw
    return answer.text("message_id")


def until(daemon: Daemon, message_id: str, *statuses: str) -> Mapping[str, Json]:
    """Return the message once it is in one of these states."""

    def look() -> Answer | None:
        answer = daemon.ask("GET", f"/v1/messages/{message_id}")
        return answer if answer.body["status"] in statuses else None

    return eventually(look, within_s=SLOW_S, every_s=0.1).body


@contextmanager
def image_server() -> Iterator[str]:
    """Serve an image on loopback and yield its address."""
    image = draw_png(encode_qr(b"an image"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(image)))
            self.end_headers()
            self.wfile.write(image)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/picture"
    finally:
        server.shutdown()
        server.server_close()


@in_both_worlds
def test_a_text_is_sent_and_followed_until_it_was_read(
    begin: Callable[..., Daemon], phones: Phones, upstream: Upstream
) -> None:
    daemon = begin(phones)

    message_id = send(daemon, "85291234321")
    message = until(daemon, message_id, "read")

    assert message["whatsapp_message_id"]
    assert message["sent_at"] <= message["delivered_at"] <= message["read_at"]  # type: ignore[operator]
    told = eventually(lambda: upstream.of(SESSION, "message.read"))
    assert [event["manager_message_id"] for event in told] == [message_id]
    assert len(upstream.of(SESSION, "message.sent")) == 1


@in_both_worlds
def test_an_image_is_fetched_and_sent_with_its_caption(begin: Callable[..., Daemon], phones: Phones) -> None:
    daemon = begin(phones)

    with image_server() as url:
        message = until(daemon, send(daemon, "85291234321", image_url=url, caption="look"), "read")

    assert message["kind"] == "image"


@in_both_worlds
def test_an_engine_that_paces_by_itself_is_waited_for(begin: Callable[..., Daemon], phones: Phones) -> None:
    daemon = begin(phones, SEND_PACING_ENABLED="true", SEND_PACING_WARMUP_SCHEDULE="1")
    until(daemon, send(daemon, "85291234321"), "read")

    message_id = send(daemon, "85291230005")  # the simulator's pacing; the real one refuses whoever is the second
    queue = eventually(lambda: held if (held := _hold(daemon)) else None, within_s=SLOW_S)

    assert queue["code"] == "engine_limited"
    assert queue["until"] is not None
    message = daemon.ask("GET", f"/v1/messages/{message_id}").body
    assert message["status"] == "queued"
    attempts = message["attempts"]
    assert isinstance(attempts, list)
    assert [each["http_status"] for each in attempts if isinstance(each, dict)] == [429]


def _hold(daemon: Daemon) -> dict[str, Json] | None:
    hold = daemon.ask("GET", f"/v1/sessions/{SESSION}/queue").body["hold"]
    return hold if isinstance(hold, dict) else None


@in_both_worlds
@pytest.mark.parametrize(("mode", "code"), [("500", "engine_error"), ("hang", "no_answer")])
def test_a_send_that_fails_or_hangs_is_unknown_and_the_next_goes_on(
    begin: Callable[..., Daemon], phones: Phones, mode: str, code: str
) -> None:
    daemon = begin(phones)

    phones.steer(daemon, SESSION, f"fail?mode={mode}&n=1")
    uncertain = until(daemon, send(daemon, "85291234321"), "unknown")
    other = until(daemon, send(daemon, "85291234322"), "read")

    assert uncertain["error_code"] == code
    assert len(uncertain["attempts"]) == len(other["attempts"]) == 1  # type: ignore[arg-type]


@in_both_worlds
def test_an_engine_that_crashes_in_a_send_leaves_it_unknown_and_sends_the_rest(
    begin: Callable[..., Daemon], phones: Phones
) -> None:
    daemon = begin(phones)
    phones.steer(daemon, SESSION, "fail?mode=hang&n=1")
    uncertain, waiting = send(daemon, "85291234321"), send(daemon, "85291234322")
    until(daemon, uncertain, "sending")

    phones.steer(daemon, SESSION, "crash")

    assert until(daemon, uncertain, "unknown", "read")["status"] == "unknown"
    assert until(daemon, waiting, "read")["whatsapp_message_id"]


@in_both_worlds
def test_a_number_that_is_not_on_whatsapp_bounces_before_it_is_asked_for(
    begin: Callable[..., Daemon], phones: Phones
) -> None:
    daemon = begin(phones)

    message = until(daemon, send(daemon, "85299999912"), "bounced")

    assert message["error_code"] == "not_on_whatsapp"
    assert message["attempts"] == []
