"""Recipients whose last four digits decide what becomes of a message to them."""

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from openwa_manager.simulator.http.wire import Json
from openwa_manager.simulator.release import RELEASES
from tests.simulator.harness import Answer, Receiver, Simulator, eventually
from tests.simulator.recordings import differences, exchanges

SHORT = {"SIM_RESTRICTED_S": "0.6"}


def number(ending: str) -> str:
    return f"85291{ending}@c.us"


def recorded(part: str, label: str) -> Json:
    """Return the body of a recorded answer."""
    return next(each.body for each in exchanges("errors.json", part) if each.label == label)


def acks(receiver: Receiver) -> list[Json]:
    told = sorted(receiver.events("message.ack"), key=lambda delivery: str(delivery.body["timestamp"]))
    return [delivery.data["status"] for delivery in told]


def texts_to(simulator: Simulator, ending: str) -> list[Json]:
    return [entry["text"] for entry in simulator.books() if entry["chat_id"] == number(ending)]


@pytest.fixture(scope="module", params=RELEASES)
def any_version(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    version = str(request.param)
    with Simulator(tmp_path_factory.mktemp(f"v{version}"), {**SHORT, "SIM_VERSION": version}) as simulator:
        simulator.linked()
        yield simulator


@pytest.fixture
def acme(any_version: Simulator) -> str:
    sessions = any_version.ask("GET", "/api/sessions").body
    assert isinstance(sessions, list)
    (session,) = sessions
    assert isinstance(session, dict)
    return str(session["id"])


@pytest.mark.parametrize(
    ("ending", "status", "is_sent"),
    [
        *(("0001", 201, True), ("0002", 400, False), ("0006", 500, True), ("0007", 500, False), ("0009", 503, True)),
        *(("0012", 201, True), ("0013", 201, True), ("0014", 201, True), ("0015", 201, True), ("0016", 201, True)),
        *(("0017", 201, True), ("0018", 201, True), ("1001", 201, True)),
    ],
)
def test_every_attempt_is_answered_alike_in_every_version(
    any_version: Simulator, acme: str, ending: str, status: int, *, is_sent: bool
) -> None:
    answers = [any_version.send_text(acme, number(ending), f"no. {n}") for n in (1, 2)]

    assert [answer.status for answer in answers] == [status, status]
    assert texts_to(any_version, ending) == (["no. 1", "no. 2"] if is_sent else [])


def test_a_recipient_that_blocked_us_is_named(any_version: Simulator, acme: str) -> None:
    answer = any_version.send_text(acme, number("0002"))

    assert answer.body == {"message": "Number blocked", "error": "Bad Request", "statusCode": 400}


def test_a_failure_says_no_more_than_the_recorded_one(any_version: Simulator, acme: str) -> None:
    for ending in ("0006", "0007"):
        assert any_version.send_text(acme, number(ending)).body == recorded("send", "500")


def test_a_busy_engine_refuses_each_message_once(any_version: Simulator, acme: str) -> None:
    answers = [any_version.send_text(acme, number("0008"), text) for text in ("a", "b", "a", "b", "a")]

    assert [answer.status for answer in answers] == [503, 503, 201, 201, 503]
    assert answers[0].headers["Retry-After"] == "2"
    assert texts_to(any_version, "0008") == ["a", "b"]


def test_an_unconfirmed_message_has_no_time_to_come_again(any_version: Simulator, acme: str) -> None:
    assert "Retry-After" not in any_version.send_text(acme, number("0009")).headers


def test_an_answer_that_never_comes_leaves_a_message_sent(any_version: Simulator, acme: str) -> None:
    with pytest.raises(TimeoutError):
        any_version.send_text(acme, number("0010"), timeout_s=0.3)

    assert texts_to(any_version, "0010") == ["x"]


def test_a_lost_answer_leaves_a_message_sent_and_the_connection_closed(any_version: Simulator, acme: str) -> None:
    with pytest.raises(http.client.RemoteDisconnected):
        any_version.send_text(acme, number("0011"))

    assert texts_to(any_version, "0011") == ["x"]
    assert any_version.send_text(acme).status == 201


@pytest.mark.parametrize(("ending", "seconds"), [("0004", 3), ("0005", 5)])
def test_a_limit_refuses_until_its_time_is_over(any_version: Simulator, acme: str, ending: str, seconds: int) -> None:
    began = time.monotonic()
    first = any_version.send_text(acme, number(ending))
    eventually(lambda: any_version.send_text(acme, number(ending)).status == 201)
    took_s = time.monotonic() - began

    assert first.status == 429
    assert seconds - 0.1 <= took_s < seconds + 3
    assert texts_to(any_version, ending) == ["x"]
    assert any_version.send_text(acme, number(ending)).status == 201


def test_limits_are_told_as_recorded(tmp_path: Path) -> None:
    told: dict[str, tuple[Answer, Answer]] = {}
    for version in ("0.23", "0.25"):
        (tmp_path / version).mkdir()
        with Simulator(tmp_path / version, {"SIM_VERSION": version}) as simulator:
            session_id = simulator.linked()
            told[version] = (
                simulator.send_text(session_id, number("0004")),
                simulator.send_text(session_id, number("0005")),
            )

    throttler = next(each.body for each in exchanges("errors.json", "rate_limit") if each.status == 429)
    pacing = recorded("misc", "paced send 2")
    assert isinstance(pacing, dict)
    for version, (throttled, paced) in told.items():
        assert throttled.body == throttler
        assert throttled.headers["Retry-After-short"] == "3"
        assert ("Retry-After" in throttled.headers) is (version == "0.25")
        assert paced.body == pacing | {"retryAfterSeconds": 5}
        assert not [name for name in paced.headers if name.lower().startswith("retry")]


def test_a_restricted_account_is_told_by_session_and_webhook_and_then_sends(tmp_path: Path, receiver: Receiver) -> None:
    with Simulator(tmp_path, SHORT) as simulator:
        session_id = simulator.linked(hook=receiver.url)

        refused = simulator.send_text(session_id, number("0003"))
        restriction = simulator.session(session_id)["restriction"]
        again = simulator.send_text(session_id, number("0003"))
        other = simulator.send_text(session_id)
        eventually(lambda: simulator.session(session_id)["restriction"] is None)
        sent = simulator.send_text(session_id, number("0003"))
        eventually(lambda: len(receiver.events("session.restriction")) == 2)

        began, ended = [delivery.data for delivery in receiver.events("session.restriction")]
        assert [refused.status, again.status, other.status, sent.status] == [500, 500, 201, 201]
        assert refused.body == recorded("send", "463")
        assert isinstance(restriction, dict)
        assert began == {"sessionId": session_id, "active": True, **restriction}
        assert ended == {**began, "active": False, "expiresAt": None}
        assert texts_to(simulator, "0003") == ["x"]


def test_a_restriction_lasts_a_minute_and_is_told_again_after_a_start(simulator: Simulator) -> None:
    session_id = simulator.linked()
    before = time.time()  # noqa: TID251 - the clock of the simulator, which tells a time of day

    simulator.send_text(session_id, number("0003"))
    first = simulator.session(session_id)["restriction"]
    simulator.ask("POST", f"/api/sessions/{session_id}/stop")
    simulator.start_session(session_id)
    simulator.wait_for(session_id, "ready")
    unloaded = simulator.session(session_id)["restriction"]
    simulator.send_text(session_id, number("0003"))
    second = simulator.session(session_id)["restriction"]

    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert unloaded is None
    ends_at = time.strptime(str(first["expiresAt"])[:19], "%Y-%m-%dT%H:%M:%S")
    expected_at = time.gmtime(before + 60)
    assert abs(time.mktime(ends_at) - time.mktime(expected_at)) <= 5
    assert str(second["expiresAt"])[:18] == str(first["expiresAt"])[:18]


@pytest.mark.parametrize("ending", ["0006", "0009", "0010", "0011"])
def test_what_was_sent_without_a_good_answer_is_told_by_webhook(
    tmp_path: Path, receiver: Receiver, ending: str
) -> None:
    with Simulator(tmp_path) as simulator:
        session_id = simulator.linked(hook=receiver.url)
        with suppress(TimeoutError, http.client.RemoteDisconnected):
            simulator.send_text(session_id, number(ending), timeout_s=0.3)
        eventually(lambda: len(receiver.events("message.ack")) == 3)

        (entry,) = simulator.books()
        (sent,) = receiver.events("message.sent")
        assert sent.data["id"] == entry["message_id"]
        assert {delivery.data["messageId"] for delivery in receiver.events("message.ack")} == {entry["message_id"]}
        assert acks(receiver) == ["sent", "delivered", "read"]


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator(tmp_path_factory.mktemp("heard")) as simulator:
        yield simulator


def test_a_number_that_is_not_on_whatsapp_fails_after_the_answer(
    heard: Simulator, name: str, receiver: Receiver
) -> None:
    session_id = heard.linked(name, hook=receiver.url)

    check = heard.ask("GET", f"/api/sessions/{session_id}/contacts/check/852910001").fields
    answer = heard.send_text(session_id, number("0001"))
    eventually(lambda: receiver.events("message.failed") and receiver.events("message.ack"))

    assert check == {"number": "852910001", "exists": False, "whatsappId": None}
    assert answer.status == 201
    assert acks(receiver) == ["failed"]
    assert receiver.events("message.failed")[0].data["id"] == answer.fields["messageId"]


def test_no_ack_ever_comes(heard: Simulator, name: str, receiver: Receiver) -> None:
    session_id = heard.linked(name, hook=receiver.url)

    heard.send_text(session_id, number("0012"))
    heard.send_text(session_id)
    eventually(lambda: len(receiver.events("message.ack")) == 3)

    assert len(receiver.events("message.sent")) == 2
    time.sleep(0.3)
    assert acks(receiver) == ["sent", "delivered", "read"]


def test_an_ack_is_posted_before_the_answer(heard: Simulator, name: str, receiver: Receiver) -> None:
    receiver.delay_s = 0.2
    session_id = heard.linked(name, hook=receiver.url)

    answer = heard.send_text(session_id, number("0013"))
    before = acks(receiver)
    eventually(lambda: len(receiver.events("message.ack")) == 3)

    assert answer.status == 201
    assert before == ["sent"]
    assert acks(receiver) == ["sent", "delivered", "read"]


def test_an_answer_does_not_wait_for_acks_that_nobody_takes(heard: Simulator, name: str) -> None:
    session_id = heard.linked(name)

    assert heard.send_text(session_id, number("0013")).status == 201


def test_acks_come_in_the_wrong_order(heard: Simulator, name: str, receiver: Receiver) -> None:
    session_id = heard.linked(name, hook=receiver.url)

    heard.send_text(session_id, number("0014"))
    eventually(lambda: len(receiver.events("message.ack")) == 3)

    assert acks(receiver) == ["read", "delivered", "sent"]


def test_a_negative_ack_comes_2_seconds_later(heard: Simulator, name: str, receiver: Receiver) -> None:
    session_id = heard.linked(name, hook=receiver.url)

    heard.send_text(session_id, number("0015"))
    eventually(lambda: receiver.events("message.failed") and receiver.events("message.ack"))

    (sent,), (failed,) = receiver.events("message.sent"), receiver.events("message.failed")
    assert 1.8 < failed.at - sent.at < 6
    assert acks(receiver) == ["failed"]


@pytest.mark.parametrize(("ending", "is_text"), [("0016", "STOP".__eq__), ("0017", "STOP".__ne__)])
def test_some_reply(
    heard: Simulator, name: str, receiver: Receiver, ending: str, is_text: Callable[[object], bool]
) -> None:
    session_id = heard.linked(name, hook=receiver.url)

    heard.send_text(session_id, number(ending))
    (reply,) = eventually(lambda: receiver.events("message.received"))

    assert is_text(reply.data["body"])
    assert (reply.data["from"], reply.data["chatId"]) == (number(ending), number(ending))
    assert acks(receiver) == ["sent", "delivered", "read"]


def test_some_hide_behind_an_id(heard: Simulator, name: str, receiver: Receiver) -> None:
    session_id = heard.linked(name, hook=receiver.url)
    check = f"/api/sessions/{session_id}/contacts/check"

    hidden = heard.ask("GET", f"{check}/852910018").fields
    plain = heard.ask("GET", f"{check}/852912345").fields
    heard.control(f"receive?name={name}&from={hidden['whatsappId']}&text=hi")
    (received,) = eventually(lambda: receiver.events("message.received"))

    assert hidden == {"number": "852910018", "exists": True, "whatsappId": "77852910018@lid"}
    assert plain["whatsappId"] == "852912345@c.us"
    assert (received.data["chatId"], received.data["kind"]) == ("77852910018@lid", "individual")
    assert (received.data["isLidSender"], received.data["senderPhone"]) == (True, "852910018")


def test_a_batch_meets_the_same_recipients(heard: Simulator, name: str) -> None:
    session_id = heard.linked(name)
    path = f"/api/sessions/{session_id}/messages"
    messages: list[Json] = [
        {"chatId": number(ending), "type": "text", "content": {"text": "b"}} for ending in ("0011", "0007", "0002")
    ]

    started = heard.ask("POST", f"{path}/send-bulk", {"messages": messages, "options": {"delayBetweenMessages": 1000}})
    batch = f"{path}/batch/{started.fields['batchId']}"
    eventually(lambda: heard.ask("GET", batch).fields["status"] == "completed")

    results = heard.ask("GET", batch).fields["results"]
    assert isinstance(results, list)
    assert [result["status"] for result in results if isinstance(result, dict)] == ["sent", "failed", "failed"]


def test_numbers_count_however_they_are_written(heard: Simulator, name: str) -> None:
    session_id = heard.linked(name)

    statuses = [heard.send_text(session_id, chat).status for chat in ("+852 91-0007", "852910007@lid", "910007@g.us")]

    assert statuses == [500, 500, 500]
    assert [*differences(recorded("send", "500"), heard.send_text(session_id, "852910007").body)] == []
