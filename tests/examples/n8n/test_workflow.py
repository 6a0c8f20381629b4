"""The example workflow of n8n: its conditions, and its requests against a real daemon."""

import base64
import hashlib
import hmac
import json
import re
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import SCANNED, Daemon, eventually
from tests.examples.backend import EXAMPLES
from tests.examples.books import read_books
from tests.examples.n8n.flow import FILE, Expressions, Flow, Item, RequestFailedError
from tests.fakes.ports import free_ports

SECRET = "a secret of the example workflow" * 2
SESSION = "user_1_session_a"


@dataclass
class N8n:
    """What plays n8n, and the daemon that posts to it."""

    flow: Flow
    daemon: Daemon
    posts: list[tuple[Mapping[str, str], bytes, int]]

    def texts(self) -> list[str]:
        """Return what WhatsApp got."""
        return [entry["text"] for entry in read_books(self.daemon, SESSION)]

    def got(self) -> list[tuple[str, str]]:
        """Return to whom WhatsApp got what, in its order: messages of a session leave in that of their arrival."""
        return [(entry["chat_id"], entry["text"]) for entry in read_books(self.daemon, SESSION)]

    def hear(self, sender: str, text: str) -> tuple[Mapping[str, str], bytes, int]:
        """Let somebody write to the session and return the post that this led to, with its answer."""
        known = len(self.posts)
        self.daemon.steer(SESSION, f"receive?from={sender}&text={text}")
        return eventually(
            lambda: next((each for each in self.posts[known:] if sender in each[1].decode()), None), within_s=30
        )


@pytest.fixture(scope="module")
def n8n(tmp_path_factory: pytest.TempPathFactory) -> Iterator[N8n]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    posts: list[tuple[Mapping[str, str], bytes, int]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = flow.receive(dict(self.headers), body)
            posts.append((dict(self.headers), body, status))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", free_ports(1)[0]), Handler)
    settings = {
        "UPSTREAM_URL": f"http://127.0.0.1:{server.server_port}/webhook/openwa-manager",
        "UPSTREAM_SECRET": SECRET,
        "UPSTREAM_EVENTS": '["message.received"]',
        "MESSAGE_GAP_MIN_S": "0.01",
        "MESSAGE_GAP_MAX_S": "0.03",
    }
    engine_env = {**SCANNED, "SIMULATE_TYPING": "false"}
    home = tmp_path_factory.mktemp("n8n") / "home"
    with (
        Daemon(home=home, settings=settings, engine_env=engine_env) as daemon,
        Expressions(node) as expressions,
    ):
        flow = Flow(f"http://127.0.0.1:{daemon.port}", SECRET, (home / "admin.key").read_text().strip(), expressions)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        daemon.create(SESSION, wait_for="connected")
        yield N8n(flow, daemon, posts)
    server.shutdown()
    server.server_close()
    thread.join(10)


def test_who_asks_for_the_hours_is_answered_once_even_if_the_event_comes_again(n8n: N8n) -> None:
    headers, body, status = n8n.hear("85260001000@c.us", "%20Hours%20")
    again = n8n.flow.receive(headers, body)

    n8n.hear("85260001009@c.us", "hours")
    eventually(lambda: any("60001009" in to for to, _ in n8n.got()))

    assert (status, again) == (204, 204)
    assert [text for to, text in n8n.got() if "60001000" in to] == ["We are open from 9 to 18."]


@pytest.mark.parametrize("text", ["hello", "hours?", "our%20hours"])
def test_any_other_text_is_not_answered(n8n: N8n, text: str) -> None:
    before = n8n.texts()

    _, _, status = n8n.hear("85260001001@c.us", text)

    assert (status, n8n.texts()) == (204, before)


def test_a_post_that_is_forged_or_old_is_refused(n8n: N8n) -> None:
    headers, body, _ = n8n.hear("85260001002@c.us", "hello")
    lower = {name.lower(): value for name, value in headers.items()}
    signature = lower["webhook-signature"]
    forged = body.replace(b"hello", b"hours")

    statuses = [
        n8n.flow.receive(lower, forged),
        n8n.flow.receive({**lower, "webhook-signature": ""}, body),
        n8n.flow.receive({**lower, "webhook-signature": signature.removeprefix("v1,")}, body),
        n8n.flow.receive({name: value for name, value in lower.items() if name != "webhook-signature"}, body),
        n8n.flow.receive({**lower, "webhook-timestamp": str(int(lower["webhook-timestamp"]) + 1)}, body),
        n8n.flow.receive({name: value for name, value in lower.items() if name != "webhook-timestamp"}, body),
        n8n.flow.receive(sign(body, time.time_ns() // 10**9 - 301), body),
        n8n.flow.receive(sign(body, time.time_ns() // 10**9), body),
        n8n.flow.receive({**lower, "webhook-signature": f"v1,bm90aGluZw== {signature}"}, body),
    ]

    assert statuses == [401] * 7 + [204, 204]


def test_what_the_session_itself_wrote_and_what_groups_write_is_not_answered(n8n: N8n) -> None:
    headers, body, _ = n8n.hear("85260001003@c.us", "hello")
    assert headers
    event = json.loads(body)
    data = event["data"] | {"body": "hours"}
    before = n8n.texts()

    statuses = [
        n8n.flow.receive(sign(raw, time.time_ns() // 10**9), raw)
        for raw in (
            json.dumps(event | {"id": "evt_own", "data": data | {"fromMe": True}}).encode(),
            json.dumps(event | {"id": "evt_group", "data": data | {"isGroup": True}}).encode(),
            json.dumps({"id": "evt_other", "type": "session.connected", "session_id": SESSION}).encode(),
        )
    ]

    assert (statuses, n8n.texts()) == ([204, 204, 204], before)


def test_a_reply_that_could_not_be_handed_over_makes_the_event_come_again(n8n: N8n) -> None:
    _, body, _ = n8n.hear("85260001004@c.us", "hello")
    raw = asks_for_hours(body, "evt_again")

    statuses = [
        flow.receive(sign(raw, time.time_ns() // 10**9), raw)
        for flow in (replace(n8n.flow, key="owm_nobody"), replace(n8n.flow, address="http://127.0.0.1:9"))
    ]

    assert statuses == [503, 500]


def test_a_reply_that_will_never_be_sent_does_not_hold_the_events_up(n8n: N8n) -> None:
    n8n.daemon.ask("POST", "/v1/users/1/suppressions", {"to": "+85260001005"})
    _, body, _ = n8n.hear("85260001005@c.us", "hello")
    raw = asks_for_hours(body, "evt_suppressed")

    assert n8n.flow.receive(sign(raw, time.time_ns() // 10**9), raw) == 204


def test_the_reminder_goes_out_once_a_day_and_tells_the_message_it_was(n8n: N8n) -> None:
    n8n.flow.today = "2026-11-30"
    first, again = (n8n.flow.run("Every workday at nine", Item({})) for _ in range(2))
    n8n.flow.today = "2026-12-01"
    next_day = n8n.flow.run("Every workday at nine", Item({}))

    assert first.json["messageId"] == again.json["messageId"] != next_day.json["messageId"]
    assert n8n.texts().count("Good morning. The shop opens now.") == 2


def test_a_reminder_that_fails_stops_the_workflow(n8n: N8n) -> None:
    flow = replace(n8n.flow, key="owm_nobody")

    with pytest.raises(RequestFailedError, match="Invalid API key"):
        flow.run("Every workday at nine", Item({}))


def test_the_file_is_a_workflow_that_holds_no_secret() -> None:
    text = FILE.read_text()
    workflow = json.loads(text)
    names = [node["name"] for node in workflow["nodes"]]
    targets = {
        target["node"]
        for outputs in workflow["connections"].values()
        for branch in outputs["main"]
        for target in branch
    }

    assert len(set(names)) == len({node["id"] for node in workflow["nodes"]}) == len(names)
    assert targets | set(workflow["connections"]) == set(names)
    assert {node["type"].partition(".")[0] for node in workflow["nodes"]} == {"n8n-nodes-base"}
    assert workflow["active"] is False
    assert not re.search(r"owm_|owa_|whsec_|\$env", text)
    assert {each["name"] for node in workflow["nodes"] for each in node.get("credentials", {}).values()} <= set(
        re.findall(r"`(openwa-manager: [^`]+)`", (EXAMPLES / "n8n" / "README.md").read_text())
    )


def asks_for_hours(body: bytes, event_id: str) -> bytes:
    event = json.loads(body)
    return json.dumps(event | {"id": event_id, "data": event["data"] | {"body": "hours"}}).encode()


def sign(body: bytes, sent_at: int) -> Mapping[str, str]:
    event: dict[str, Json] = json.loads(body)
    signed = f"{event['id']}.{sent_at}.".encode() + body
    digest = base64.b64encode(hmac.digest(SECRET.encode(), signed, hashlib.sha256)).decode()
    return {"webhook-id": str(event["id"]), "webhook-timestamp": str(sent_at), "webhook-signature": f"v1,{digest}"}
