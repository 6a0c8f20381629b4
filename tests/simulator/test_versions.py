"""What the simulator does differently as another version of OpenWA; as 0.23 it is compared with recordings."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from openwa_manager.simulator.http.wire import Json
from openwa_manager.simulator.release import RELEASES
from tests.simulator.harness import KEY, Answer, Receiver, Simulator, eventually

REDRIVE = "/api/webhooks/delivery-failures/redrive"


@pytest.fixture
def newest(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path, {"SIM_VERSION": "0.25", "WEBHOOK_FAILURE_PAYLOAD_RETENTION_HOURS": "24"}) as simulator:
        yield simulator


@pytest.fixture
def oldest(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path, {"SIM_VERSION": "0.11"}) as simulator:
        yield simulator


def linked(simulator: Simulator) -> str:
    session_id = simulator.create()
    simulator.link(session_id)
    return session_id


def send(
    simulator: Simulator, session_id: str, key: str = "k-1", *, text: str = "once", timeout_s: float = 10.0
) -> Answer:
    path = f"/api/sessions/{session_id}/messages/send-text"
    body: dict[str, Json] = {"chatId": "628123456789@c.us", "text": text}
    headers = {"X-API-Key": KEY, "Idempotency-Key": key}
    return simulator.ask("POST", path, body, headers=headers, timeout_s=timeout_s)


def missed(simulator: Simulator) -> list[dict[str, Json]]:
    rows = simulator.ask("GET", "/api/webhooks/delivery-failures").body
    assert isinstance(rows, list)
    return [row for row in rows if isinstance(row, dict)]


@pytest.mark.parametrize("version", RELEASES)
def test_each_version_says_which_it_is(tmp_path: Path, version: str) -> None:
    with Simulator(tmp_path, {"SIM_VERSION": version}) as simulator:
        assert simulator.ask("GET", "/api/health").fields["version"] == RELEASES[version].number


def test_a_version_that_nobody_knows_is_refused_at_boot(tmp_path: Path) -> None:
    simulator = Simulator(tmp_path, {"SIM_VERSION": "0.24"})
    simulator.launch()

    assert simulator.exit_code() == 1
    assert "SIM_VERSION must be one of: 0.11, 0.23, 0.25" in simulator.log


def test_the_oldest_has_fewer_calls_fields_and_events(oldest: Simulator) -> None:
    session_id = linked(oldest)

    logout = oldest.ask("POST", f"/api/sessions/{session_id}/logout")
    hook: dict[str, Json] = {"url": "http://127.0.0.1:9/", "events": ["session.restriction"]}

    assert (logout.status, logout.fields["message"]) == (404, f"Cannot POST /api/sessions/{session_id}/logout")
    assert not {"engineLoaded", "restriction"} & oldest.session(session_id).keys()
    assert oldest.ask("POST", f"/api/sessions/{session_id}/webhooks", hook).status == 400
    assert oldest.ask("POST", f"/api/sessions/{session_id}/webhooks", {**hook, "events": ["*"]}).status == 201


def test_a_key_without_the_scope_is_forbidden_since_0_24(newest: Simulator) -> None:
    session_id = newest.create()
    made = newest.ask("POST", "/api/auth/api-keys", {"name": "other", "allowedSessions": [session_id[::-1]]})
    key = str(made.fields["apiKey"])

    assert newest.ask("GET", f"/api/sessions/{session_id}", headers={"X-API-Key": key}).status == 403


def test_the_same_key_and_body_is_sent_once(newest: Simulator, receiver: Receiver) -> None:
    session_id = linked(newest)
    newest.ask("POST", f"/api/sessions/{session_id}/webhooks", {"url": receiver.url, "events": ["message.sent"]})

    first, again, other = (send(newest, session_id), send(newest, session_id), send(newest, session_id, text="two"))
    newest.stop()
    newest.start()

    assert first.status == again.status == 201
    assert first.body == again.body == send(newest, session_id).body
    assert (other.status, other.fields["code"]) == (422, "IDEMPOTENCY_KEY_MISMATCH")
    assert len(receiver.events("message.sent")) == 1


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "\xe9"])
def test_a_key_that_is_none_is_refused(newest: Simulator, key: str) -> None:
    assert send(newest, linked(newest), key).status == 400


def test_a_send_under_way_and_one_without_a_known_end_are_told_apart_from_no_connection(newest: Simulator) -> None:
    session_id = linked(newest)
    newest.control("fail?mode=hang&n=1")
    with pytest.raises(TimeoutError):
        send(newest, session_id, "hangs", timeout_s=0.5)

    in_progress = send(newest, session_id, "hangs")
    newest.kill()
    newest.start()
    unknown = send(newest, session_id, "hangs")

    assert (in_progress.status, in_progress.fields["code"]) == (409, "IDEMPOTENCY_KEY_IN_PROGRESS")
    assert (unknown.status, unknown.fields["code"]) == (409, "IDEMPOTENCY_OUTCOME_UNKNOWN")


def test_a_send_that_was_refused_leaves_its_key_free(newest: Simulator) -> None:
    session_id = newest.create()
    newest.start_session(session_id)
    newest.wait_for(session_id, "qr_ready")

    refused = send(newest, session_id)
    newest.control("scan")
    newest.wait_for(session_id, "ready")

    assert (refused.status, refused.fields.get("code")) == (409, None)
    assert send(newest, session_id).status == 201


def test_a_key_means_nothing_before_0_25(simulator: Simulator) -> None:
    session_id = linked(simulator)

    assert send(simulator, session_id).body != send(simulator, session_id).body


def test_what_was_given_up_can_be_posted_again_with_its_key(newest: Simulator, receiver: Receiver) -> None:
    session_id = linked(newest)
    hooks = f"/api/sessions/{session_id}/webhooks"
    hook = newest.ask("POST", hooks, {"url": "http://127.0.0.1:9/", "events": ["message.received"], "retryCount": 1})
    newest.control("receive?text=missed")
    (row,) = eventually(lambda: missed(newest))
    failed_again = newest.ask("POST", REDRIVE, {"sessionId": session_id}).fields
    newest.ask("PUT", f"{hooks}/{hook.fields['id']}", {"url": receiver.url})

    redriven = newest.ask("POST", REDRIVE, {"ids": [row["id"]], "limit": 1}).fields

    assert row["replayable"] is True
    assert (failed_again["failed"], failed_again["remaining"]) == (1, 1)
    assert (redriven["delivered"], redriven["remaining"]) == (1, 0)
    (post,) = receiver.events("message.received")
    assert post.body["idempotencyKey"] == row["idempotencyKey"]
    assert missed(newest) == []


def test_nothing_is_posted_again_by_a_version_before_0_25(simulator: Simulator) -> None:
    assert simulator.ask("POST", REDRIVE, {}).status == 404


def test_what_needs_a_higher_role_since_0_24(newest: Simulator) -> None:
    session_id = linked(newest)
    keys: dict[str, dict[str, str]] = {}
    for role in ("viewer", "operator"):
        made = newest.ask("POST", "/api/auth/api-keys", {"name": role, "role": role})
        keys[role] = {"X-API-Key": str(made.fields["apiKey"])}
    check = f"/api/sessions/{session_id}/contacts/check/628123456789"
    proxied: dict[str, Json] = {"name": "proxied", "proxyUrl": "http://proxy:1"}

    assert [newest.ask("GET", check, headers=keys[role]).status for role in keys] == [403, 200]
    assert newest.ask("POST", "/api/sessions", proxied, headers=keys["operator"]).status == 403
    assert newest.ask("POST", "/api/sessions", proxied).status == 201


def test_the_throttler_says_when_to_come_again_as_others_do(tmp_path: Path) -> None:
    for version, has_header in (("0.23", False), ("0.25", True)):
        (tmp_path / version).mkdir()
        with Simulator(tmp_path / version, {"SIM_VERSION": version, "RATE_LIMIT_SHORT_LIMIT": "1"}) as simulator:
            answers = [simulator.ask("GET", "/api/sessions") for _ in range(20)]

        refused = next(answer for answer in answers if answer.status == 429)
        assert ("Retry-After" in refused.headers) is has_header
        assert "Retry-After-short" in refused.headers


@pytest.mark.parametrize(("version", "status"), [("0.23", 400), ("0.25", 201)])
def test_an_event_is_known_from_its_version_on(tmp_path: Path, version: str, status: int) -> None:
    hook: dict[str, Json] = {"url": "http://127.0.0.1:9/", "events": ["event.response"]}

    with Simulator(tmp_path, {"SIM_VERSION": version}) as simulator:
        assert simulator.ask("POST", f"/api/sessions/{simulator.create()}/webhooks", hook).status == status


def test_credentials_that_cannot_be_read_are_set_aside_since_0_24(newest: Simulator) -> None:
    session_id = linked(newest)
    directory = newest.home / "data" / "baileys" / str(newest.session(session_id)["name"])
    newest.stop()
    (directory / "creds.json").write_text('{"me": {"id": "62')
    newest.start()
    newest.start_session(session_id)
    newest.wait_for(session_id, "qr_ready")

    (aside,) = directory.glob("corrupt-*")

    assert re.fullmatch(r"corrupt-[0-9]{13}-[0-9a-f]{6}", aside.name)
    assert sorted(file.name for file in aside.iterdir()) == ["creds.json", *(f"pre-key-{n}.json" for n in (1, 2, 3))]
