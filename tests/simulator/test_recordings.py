import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from openwa_manager.simulator.http.wire import Json
from tests.simulator.harness import Delivered, Receiver, Simulator, eventually, serving
from tests.simulator.life import Life, live
from tests.simulator.recordings import differences, exchanges, header_differences, read_recording, substitute

LABELS = [exchange.label for exchange in exchanges("http-lifecycle.json", "exchanges")]
RECORDED_DELIVERIES: list[dict[str, Json]] = json.loads(json.dumps(read_recording("webhooks.json")["deliveries"]))
SECRET = str(read_recording("webhooks.json")["secret"])

#: Answers whose length hangs on numbers or images of their own.
FREE_LENGTH = {"qr", "stats overview"}
#: The recorder's socket reported no size for documents; a real one does.
SIZELESS = "document"


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Life, Receiver]]:
    env = {"SIM_RECONNECT_S": "0.2"}
    with serving() as receiver, Simulator(tmp_path_factory.mktemp("life"), env) as simulator:
        life = live(simulator, receiver)
        eventually(lambda: len(receiver.events("session.status")) >= 21)
        yield life, receiver


@pytest.mark.parametrize("number", range(len(LABELS)), ids=LABELS)
def test_answers_as_recorded(story: tuple[Life, Receiver], number: int) -> None:
    life, _ = story

    exchange, answer = life.answers[number]

    body, headers = substitute(exchange.body, life.names), dict(exchange.headers)
    length = headers.pop("Content-Length", "0")
    assert answer.status == exchange.status, answer
    assert [*differences(body, answer.body)] == []
    assert [*header_differences(headers, answer.headers)] == []
    if exchange.label not in FREE_LENGTH and "webhook" not in exchange.label:
        assert answer.headers.get("Content-Length", "0") == length


def discriminant(body: dict[str, Json]) -> tuple[Json, ...]:
    """Tell which of the recorded deliveries a delivery corresponds to."""
    data = body["data"]
    assert isinstance(data, dict)
    return body["event"], data.get("status"), data.get("active"), data.get("type")


def delivery_like(receiver: Receiver, recorded: dict[str, Json]) -> Delivered:
    """Return the first delivery of the same kind as a recorded one; two may have overtaken each other on their way."""
    wanted = discriminant(recorded)
    found = [delivery for delivery in tuple(receiver.deliveries) if discriminant(delivery.body) == wanted]
    assert found, wanted
    return min(found, key=lambda delivery: str(delivery.body["timestamp"]))


@pytest.mark.parametrize("number", range(len(RECORDED_DELIVERIES)))
def test_delivers_as_recorded(story: tuple[Life, Receiver], number: int) -> None:
    life, receiver = story
    recorded = RECORDED_DELIVERIES[number]
    recorded_body: dict[str, Json] = json.loads(str(recorded["raw_body"]))

    actual = delivery_like(receiver, recorded_body)

    body = substitute(recorded_body, life.names)
    if actual.data.get("type") == SIZELESS:
        body = substitute(body, {'"sizeBytes": 0': '"sizeBytes": 5'})
    assert [*differences(body, actual.body)] == []
    headers = recorded["headers"]
    assert isinstance(headers, dict)
    assert [*header_differences({name: str(value) for name, value in headers.items()}, actual.headers)] == []


def test_every_delivery_is_signed_over_its_raw_body(story: tuple[Life, Receiver]) -> None:
    _, receiver = story

    for delivery in receiver.deliveries:
        digest = hmac.new(SECRET.encode(), delivery.raw, hashlib.sha256).hexdigest()

        assert delivery.headers["X-OpenWA-Signature"] == f"sha256={digest}"


def test_headers_and_body_of_a_delivery_agree(story: tuple[Life, Receiver]) -> None:
    _, receiver = story

    for delivery in receiver.deliveries:
        assert delivery.headers["X-OpenWA-Event"] == delivery.body["event"]
        assert delivery.headers["X-OpenWA-Delivery-Id"] == delivery.body["deliveryId"]
        assert delivery.headers["X-OpenWA-Idempotency-Key"] == delivery.body["idempotencyKey"]


def test_raw_bodies_are_as_long_as_recorded(story: tuple[Life, Receiver]) -> None:
    _, receiver = story
    fixed = [recorded for recorded in RECORDED_DELIVERIES if '"session.qr"' not in str(recorded["raw_body"])]

    for recorded in fixed:
        raw_body = str(recorded["raw_body"])

        assert len(delivery_like(receiver, json.loads(raw_body)).raw) == len(raw_body.encode()), raw_body


def test_statuses_are_told_in_the_recorded_order(story: tuple[Life, Receiver]) -> None:
    _, receiver = story
    rows = read_recording("webhook-order.json")["rows"]
    assert isinstance(rows, list)
    recorded = [row[2] for row in rows if isinstance(row, list) and row[1] == "session.status"]

    in_order = sorted(receiver.events("session.status"), key=lambda delivery: str(delivery.body["timestamp"]))

    assert [delivery.data["status"] for delivery in in_order] == recorded


def test_as_many_events_of_each_kind_are_told_as_recorded(story: tuple[Life, Receiver]) -> None:
    _, receiver = story
    rows = read_recording("webhook-order.json")["rows"]
    assert isinstance(rows, list)
    recorded = [str(row[1]) for row in rows if isinstance(row, list)]

    for event in set(recorded) - {"message.ack"}:  # the acks have a test of their own
        assert (event, len(receiver.events(event))) == (event, recorded.count(event))


def test_acks_of_a_message_come_in_the_order_of_its_way(story: tuple[Life, Receiver]) -> None:
    _, receiver = story
    acks: dict[Json, list[Json]] = {}

    for delivery in sorted(receiver.events("message.ack"), key=lambda delivery: str(delivery.body["timestamp"])):
        acks.setdefault(delivery.data["messageId"], []).append(delivery.data["status"])

    whole = ["sent", "delivered", "read"]
    sent = [steps for steps in acks.values() if steps != ["failed"]]
    assert len(acks) - len(sent) == 1
    assert [steps for steps in sent if steps != whole[: len(steps)]] == []
    # The last message before the connection dropped (428) loses its acks, in the recording too.
    assert len([steps for steps in sent if steps != whole]) <= 1


def replay(simulator: Simulator, part: list[int], name: str, session_id: str) -> None:
    """Make some recorded requests against a session of ours and compare the answers."""
    recorded = exchanges("errors.json", name)
    for number in part:
        exchange = recorded[number]
        names = {segment: session_id for segment in exchange.path.split("/") if segment.count("-") == 4}
        if isinstance(exchange.body, dict) and isinstance(exchange.body.get("batchId"), str):
            names[str(exchange.body["batchId"])] = "batch_00000000"
        answer = simulator.ask(exchange.method, str(substitute(exchange.path, names)), exchange.request_body)
        headers = {key: value for key, value in exchange.headers.items() if key != "Content-Length"}
        assert answer.status == exchange.status, (exchange.label, answer)
        assert [*differences(substitute(exchange.body, names), answer.body)] == [], exchange.label
        assert [*header_differences(headers, answer.headers)] == [], exchange.label


def test_errors_of_sends_are_the_recorded_ones(tmp_path: Path) -> None:
    with Simulator(tmp_path, {"VALIDATION_ERROR_DETAIL": "true"}) as simulator:
        session_id = simulator.create()
        simulator.link(session_id)

        replay(simulator, [0, 1], "send", session_id)
        for number, mode in ((2, "500"), (3, "timeout"), (4, "463")):
            simulator.control(f"fail?mode={mode}")
            replay(simulator, [number], "send", session_id)
        replay(simulator, [5, 6, 8, 9], "send", session_id)


def test_a_batch_of_over_100_is_refused_as_recorded(tmp_path: Path) -> None:
    recorded = exchanges("errors.json", "send")[7]
    with Simulator(tmp_path, {"VALIDATION_ERROR_DETAIL": "true"}) as simulator:
        message: Json = {"chatId": "628123456789@c.us", "type": "text", "content": {"text": "b1"}}

        answer = simulator.ask("POST", "/api/sessions/any/messages/send-bulk", {"messages": [message] * 101})

        assert (answer.status, answer.body) == (recorded.status, recorded.body)


def test_pacing_and_the_code_after_a_scan_are_the_recorded_ones(tmp_path: Path) -> None:
    with Simulator(tmp_path, {"SIM_OPEN_S": "0.5"}) as simulator:
        recorded = exchanges("errors.json", "misc")
        created = simulator.ask("POST", "/api/sessions", recorded[0].request_body)
        session_id = str(created.fields["id"])
        assert [*differences(recorded[0].body, created.body)] == []
        simulator.start_session(session_id)
        simulator.wait_for(session_id, "qr_ready")
        simulator.control("scan")
        simulator.wait_for(session_id, "initializing")

        replay(simulator, [2], "misc", session_id)

        simulator.wait_for(session_id, "ready")
        replay(simulator, [3, 4], "misc", session_id)
        simulator.control("fail?mode=429&n=3")
        replay(simulator, [5, 6, 7], "misc", session_id)


def test_a_scoped_key_is_shown_once_as_recorded(simulator: Simulator) -> None:
    session_id = simulator.create()
    recorded = exchanges("errors.json", "misc")[1]
    scope = {"de730c18-44a9-4015-a376-07aa04da62a0": session_id}

    answer = simulator.ask("POST", recorded.path, substitute(recorded.request_body, scope))

    assert answer.status == recorded.status
    assert [*differences(substitute(recorded.body, scope), answer.body)] == []


def test_the_medium_rate_limit_refuses_as_recorded(tmp_path: Path) -> None:
    env = {"RATE_LIMIT_SHORT_LIMIT": "10", "RATE_LIMIT_SHORT_TTL": "50", "RATE_LIMIT_MEDIUM_LIMIT": "100"}
    with Simulator(tmp_path, {**env, "RATE_LIMIT_LONG_LIMIT": "1000"}) as simulator:
        session_id = simulator.create("other-route")
        admitted = 0
        while admitted < 100:
            answer = simulator.ask("GET", f"/api/sessions/{session_id}")
            admitted += answer.status == 200 or "Retry-After-short" not in answer.headers
        time.sleep(0.06)  # into a fresh short window, so that the medium one is what refuses

        replay(simulator, [1, 2], "rate_limit", session_id)


def test_the_short_rate_limit_refuses_as_recorded(tmp_path: Path) -> None:
    env = {"RATE_LIMIT_SHORT_LIMIT": "10", "RATE_LIMIT_MEDIUM_LIMIT": "100", "RATE_LIMIT_LONG_LIMIT": "1000"}
    with Simulator(tmp_path, {**env, "SSRF_ALLOWED_HOSTS": ""}) as simulator:
        session_id = simulator.create("other-route")

        replay(simulator, [3, 4, 5, 6, 7], "rate_limit", session_id)
        answers = [simulator.ask("GET", "/api/sessions") for _ in range(10)]
        replay(simulator, [8], "rate_limit", session_id)

        assert [answer.status for answer in answers] == [200] * 10
        assert [answer.headers["X-RateLimit-Remaining-short"] for answer in answers] == [
            str(n) for n in range(9, -1, -1)
        ]
