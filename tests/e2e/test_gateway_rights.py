"""What a key may do at the gateway, in front of the simulator and of a real OpenWA."""

import http.client
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import Answer, Daemon
from tests.e2e.peers.phones import Phones
from tests.engines.rig import ON_REAL_OPENWA, SLOW_S

Serve = Callable[..., Daemon]

CHAT = "628123456789@c.us"
TEXT: Mapping[str, Json] = {"chatId": CHAT, "text": "Hello"}
OWN, OTHER = "user_1_a", "user_10_a"
SETTINGS = {"MESSAGE_GAP_MIN_S": "0", "MESSAGE_GAP_MAX_S": "0", "ALLOW_PRIVATE_ENDPOINTS": "true"}


@dataclass(frozen=True)
class Caller:
    """Somebody with a key, at the daemon's port."""

    port: int
    key: str

    def ask(self, method: str, path: str, body: Mapping[str, Json] | None = None) -> Answer:
        """Call the API."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=45)
        try:
            headers = {"X-API-Key": self.key, "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def status(self, line: str, body: Mapping[str, Json] | None = None, of: str = OWN) -> int:
        """Return what `GET chats` and its like give below a session."""
        method, _, tail = line.partition(" ")
        return self.ask(method, f"/api/sessions/{of}/{tail}", body).status


def caller(daemon: Daemon, role: str, **rights: Json) -> Caller:
    """Return somebody with a new key."""
    made = daemon.ask("POST", "/v1/keys", {"name": f"a {role}", "role": role, **rights})
    assert made.status == 201, made.raw
    return Caller(daemon.port, made.text("key"))


@pytest.fixture(
    params=[
        pytest.param(Phones("simulator"), id="simulator"),
        pytest.param(Phones("openwa"), id="openwa", marks=ON_REAL_OPENWA),
    ]
)
def daemon(request: pytest.FixtureRequest, serve: Serve) -> Daemon:
    """Give a daemon with a linked session of `user_1`, and one of `user_10` that is not linked."""
    phones: Phones = request.param
    built = serve(
        engine=phones.engine,
        engine_env=phones.engine_env,
        environ=phones.environ,
        settings=SETTINGS,
        ready_within_s=SLOW_S,
    )
    built.create(OWN)
    built.create(OTHER, desired="stopped")
    built.until(OWN, "qr_ready", within_s=SLOW_S)
    phones.steer(built, OWN, "scan")
    built.until(OWN, "connected", within_s=SLOW_S)
    return built


def test_a_sender_of_one_session_sends_from_it_and_learns_nothing_else(daemon: Daemon) -> None:
    sender = caller(daemon, "sender", sessions=["user_1_*"])

    listed = json.loads(sender.ask("GET", "/api/sessions").raw)
    sent = sender.status("POST messages/send-text", TEXT)
    number = sender.status("GET contacts/check/628123456789")
    quoted = sender.status("POST messages/send-text", {**TEXT, "quotedMessageId": "3EB0"})
    reads = {
        line: sender.status(line) for line in ("GET chats", "GET messages", "GET contacts", "GET qr", "GET config")
    }
    changes = {line: sender.status(line, {}) for line in ("POST stop", "POST webhooks", "POST groups", "PUT anything")}
    theirs = sender.ask("GET", f"/api/sessions/{OTHER}")
    nobodys = sender.ask("GET", f"/api/sessions/{OTHER.replace('10', '11')}")

    assert [each["id"] for each in listed] == [OWN]
    assert (sent, number, quoted) == (201, 200, 403)
    assert reads == dict.fromkeys(reads, 403)
    assert changes == dict.fromkeys(changes, 403)
    assert (theirs.status, theirs.raw.replace(b"10", b"11")) == (404, nobodys.raw)
    assert sender.status("POST messages/send-text", TEXT, of=OTHER) == 404  # as OpenWA says of none


def test_an_operator_runs_a_session_and_sees_chats_and_codes_only_if_his_key_says_so(daemon: Daemon) -> None:
    plain = caller(daemon, "operator", sessions=["user_1_*"])
    trusted = caller(daemon, "operator", sessions=["user_1_*"], chats=True)
    shown = ("GET chats", "GET contacts", "GET messages", "GET groups")
    hook: Mapping[str, Json] = {"url": "http://192.0.2.1:9/a", "events": ["session.status"]}

    refused = {line: plain.status(line) for line in shown}
    let_in = {line: trusted.status(line) for line in shown}
    kept = {line: plain.status(line) for line in ("GET config", "GET webhooks")}
    config = plain.ask("PATCH", f"/api/sessions/{OWN}/config", {"autoRejectCalls": True})

    assert refused == dict.fromkeys(shown, 403)
    assert let_in == dict.fromkeys(shown, 200)
    assert kept == dict.fromkeys(kept, 200)
    assert (config.status, config.body["autoRejectCalls"]) == (200, True)
    assert plain.status("PATCH config", {"proxyUrl": "http://127.0.0.1:1"}) == 403
    assert trusted.status("POST webhooks", hook) == 403  # they carry codes


def test_a_webhook_posts_what_the_key_that_made_it_may_see(daemon: Daemon) -> None:
    operator = caller(daemon, "operator", qr=True)
    hook: Mapping[str, Json] = {"url": "http://192.0.2.1:9/a"}

    of_chats = [operator.status("POST webhooks", {**hook, **some}) for some in ({}, {"events": ["*"]})]
    made = operator.ask("POST", f"/api/sessions/{OWN}/webhooks", {**hook, "events": ["session.status", "message.ack"]})
    widened = operator.status(f"PUT webhooks/{made.text('id')}", {"events": ["message.received"]})
    changed = operator.status(f"PUT webhooks/{made.text('id')}", {"active": False})

    assert of_chats == [403, 403]
    assert (made.status, widened, changed) == (201, 403, 200)
