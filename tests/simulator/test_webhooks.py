import json
from pathlib import Path

import pytest

from openwa_manager.simulator.http.wire import Json
from tests.fakes.ports import free_ports
from tests.simulator.harness import Delivered, Receiver, Simulator, eventually


def hook(simulator: Simulator, session_id: str, url: str, **fields: Json) -> dict[str, Json]:
    answer = simulator.ask("POST", f"/api/sessions/{session_id}/webhooks", {"url": url, "events": ["*"], **fields})
    assert answer.status == 201, answer
    return answer.fields


def test_a_refused_delivery_is_tried_again_later(tmp_path: Path, receiver: Receiver) -> None:
    with Simulator(tmp_path, {"WEBHOOK_RETRY_DELAY": "200"}) as simulator:
        receiver.answers = lambda count: 500 if count <= 2 else 200
        session_id = simulator.create()
        hook(simulator, session_id, receiver.url, events=["session.qr"])

        simulator.start_session(session_id)
        eventually(lambda: len(receiver.deliveries) == 3)

        first, second, third = receiver.deliveries
        assert [delivery.headers["X-OpenWA-Retry-Count"] for delivery in (first, second, third)] == ["0", "1", "2"]
        assert {delivery.raw for delivery in receiver.deliveries} == {first.raw}
        assert len({delivery.headers["X-OpenWA-Idempotency-Key"] for delivery in receiver.deliveries}) == 1
        assert second.at - first.at >= 0.2
        assert third.at - second.at >= 0.4
        assert simulator.ask("GET", "/api/webhooks/delivery-failures").body == []


def test_the_last_refusal_is_recorded(simulator: Simulator, receiver: Receiver) -> None:
    receiver.answers = lambda _: 503
    session_id = simulator.create()
    made = hook(simulator, session_id, receiver.url, events=["session.qr"], retryCount=2)
    simulator.start_session(session_id)

    rows = eventually(lambda: simulator.ask("GET", "/api/webhooks/delivery-failures").body)

    assert isinstance(rows, list)
    (row,) = rows
    assert isinstance(row, dict)
    delivered: Delivered = receiver.deliveries[-1]
    assert row["webhookId"] == made["id"]
    assert row["deliveryId"] == delivered.body["deliveryId"]
    assert row["idempotencyKey"] == delivered.body["idempotencyKey"]
    assert (row["attempts"], row["lastStatusCode"]) == (2, 503)
    assert row["lastError"] == "HTTP 503: Service Unavailable"
    assert len(receiver.deliveries) == 2


def test_nobody_at_the_address_is_recorded_without_a_status(simulator: Simulator) -> None:
    session_id = simulator.create()
    hook(simulator, session_id, f"http://127.0.0.1:{free_ports(1)[0]}/", events=["session.qr"], retryCount=0)
    simulator.start_session(session_id)

    rows = eventually(lambda: simulator.ask("GET", "/api/webhooks/delivery-failures").body)

    assert isinstance(rows, list)
    assert [(row["attempts"], row["lastStatusCode"], row["lastError"]) for row in rows if isinstance(row, dict)] == [
        (1, None, "fetch failed")
    ]


def test_a_slow_receiver_is_given_up(tmp_path: Path, receiver: Receiver) -> None:
    receiver.delay_s = 1.0
    with Simulator(tmp_path, {"WEBHOOK_TIMEOUT": "100"}) as simulator:
        session_id = simulator.create()
        made = hook(simulator, session_id, receiver.url)

        answer = simulator.ask("POST", f"/api/sessions/{session_id}/webhooks/{made['id']}/test")

        assert answer.body == {"success": False, "error": "The operation was aborted due to timeout"}


def test_a_failing_test_says_with_which_status(shared: Simulator, name: str, receiver: Receiver) -> None:
    receiver.answers = lambda _: 401
    session_id = shared.create(name)
    made = hook(shared, session_id, receiver.url)

    answer = shared.ask("POST", f"/api/sessions/{session_id}/webhooks/{made['id']}/test")

    assert (answer.status, answer.body) == (200, {"success": False, "statusCode": 401})


def test_only_subscribed_events_are_delivered(shared: Simulator, name: str, receiver: Receiver) -> None:
    session_id = shared.create(name)
    hook(shared, session_id, receiver.url, events=["session.authenticated"])

    shared.link(session_id)
    eventually(lambda: receiver.deliveries)

    assert {delivery.event for delivery in receiver.deliveries} == {"session.authenticated"}


def test_two_webhooks_with_one_address_both_fire(shared: Simulator, name: str, receiver: Receiver) -> None:
    session_id = shared.create(name)
    made = {hook(shared, session_id, receiver.url, events=["session.qr"])["id"] for _ in range(2)}

    shared.start_session(session_id)
    eventually(lambda: len(receiver.deliveries) == 2)

    keys = {str(delivery.body["idempotencyKey"]).rpartition("_")[2] for delivery in receiver.deliveries}
    assert keys == made


def test_a_webhook_is_changed_and_removed(shared: Simulator, name: str, receiver: Receiver) -> None:
    session_id = shared.create(name)
    made = hook(shared, session_id, receiver.url)
    path = f"/api/sessions/{session_id}/webhooks/{made['id']}"

    changed = shared.ask("PUT", path, {"active": False, "retryCount": 1, "events": ["message.ack"]}).fields

    assert (changed["active"], changed["retryCount"], changed["events"]) == (False, 1, ["message.ack"])
    assert shared.ask("GET", path).body == changed
    assert shared.ask("DELETE", path).status == 204
    assert shared.ask("GET", path).status == 404


def test_without_events_only_received_messages_are_told(shared: Simulator, name: str, receiver: Receiver) -> None:
    session_id = shared.create(name)

    answer = shared.ask("POST", f"/api/sessions/{session_id}/webhooks", {"url": receiver.url})

    assert answer.fields["events"] == ["message.received"]


@pytest.mark.parametrize(
    "body",
    [
        {"url": "http://localhost:1/"},
        {"url": "ftp://127.0.0.1/"},
        {"url": "http://127.0.0.1:1/", "events": ["session.connected"]},
        {"url": "http://127.0.0.1:1/", "events": []},
        {"url": "http://127.0.0.1:1/", "secret": "short"},
        {"url": "http://127.0.0.1:1/", "retryCount": 6},
        {"url": "http://127.0.0.1:1/", "headers": {"X-A": "a\r\nb"}},
        {"url": "http://127.0.0.1:1/", "colour": "red"},
    ],
)
def test_an_unusable_webhook_is_refused(shared: Simulator, name: str, body: Json) -> None:
    session_id = shared.create(name)

    assert shared.ask("POST", f"/api/sessions/{session_id}/webhooks", body).status == 400


def test_a_17th_webhook_is_refused(shared: Simulator, name: str, receiver: Receiver) -> None:
    session_id = shared.create(name)
    for _ in range(16):
        hook(shared, session_id, receiver.url)

    answer = shared.ask("POST", f"/api/sessions/{session_id}/webhooks", {"url": receiver.url})

    assert answer.status == 400
    assert str(answer.fields["message"]).startswith("Webhook limit reached for this session (16/16)")


def test_a_flood_arrives_complete(simulator: Simulator, receiver: Receiver) -> None:
    session_id = simulator.create()
    hook(simulator, session_id, receiver.url, events=["message.received"])
    simulator.link(session_id)

    simulator.control("flood?n=300")

    eventually(lambda: len(receiver.deliveries) == 300)
    assert {delivery.data["body"] for delivery in receiver.deliveries} == {f"flood {n}" for n in range(300)}


def test_a_failed_message_is_told_twice_over(shared: Simulator, name: str, receiver: Receiver) -> None:
    session_id = shared.create(name)
    hook(shared, session_id, receiver.url, events=["message.failed", "message.ack"])
    shared.link(session_id)

    answer = shared.send_text(session_id, "62999999@c.us")

    assert answer.status == 201
    eventually(lambda: len(receiver.deliveries) == 2)
    assert {delivery.event for delivery in receiver.deliveries} == {"message.failed", "message.ack"}
    assert {delivery.data["messageId"] for delivery in receiver.deliveries} == {answer.fields["messageId"]}


def test_acks_go_as_far_as_wanted(tmp_path: Path, receiver: Receiver) -> None:
    with Simulator(tmp_path, {"SIM_ACKS": "2"}) as simulator:
        session_id = simulator.create()
        hook(simulator, session_id, receiver.url, events=["message.ack"])
        simulator.link(session_id)

        simulator.send_text(session_id)
        simulator.send_text(session_id)
        eventually(lambda: len(receiver.deliveries) == 2)

        assert [json.loads(delivery.raw)["data"]["ack"] for delivery in receiver.deliveries] == [1, 1]
