"""What an application's test can have happen: phones that scan or do not, bans, failures, answers of people."""

from typing import cast

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.e2e.mock.running import NUMBER, SESSION, Mock, mocking
from tests.e2e.peers.daemon import eventually

SEND = f"/api/sessions/{SESSION}/messages/send-text"
BODY: Json = {"to": NUMBER, "text": "Hello"}


def events(mock: Mock, kind: str) -> list[dict[str, Json]]:
    return cast("list[dict[str, Json]]", mock.ask("GET", f"/v1/events?type={kind}").body["events"])


@pytest.mark.parametrize(
    ("verb", "status"), [("ban", "banned"), ("log-out", "logged_out"), ("replace", "disconnected")]
)
def test_the_link_ends_as_whatsapp_ends_it(mock: Mock, verb: str, status: str) -> None:
    mock.link()

    assert mock.control(verb).status == 200

    eventually(lambda: mock.status() == status)


def test_a_link_that_breaks_comes_back(mock: Mock) -> None:
    mock.link()

    mock.control("disconnect")

    eventually(lambda: events(mock, "session.disconnected"))
    eventually(lambda: mock.status() == "connected")


def test_an_engine_that_crashes_is_started_again_and_needs_no_scan(mock: Mock) -> None:
    mock.link()

    mock.control("crash")

    eventually(lambda: events(mock, "session.crashed"))
    eventually(lambda: mock.status() == "connected")


@pytest.mark.parametrize(("mode", "status"), [("500", 500), ("timeout", 500), ("429", 429)])
def test_the_next_sends_fail_and_no_other_session_notices(mock: Mock, mode: str, status: int) -> None:
    mock.link()
    mock.link("user_2_session_b")
    assert mock.control("fail", {"mode": mode, "n": 2}).status == 200

    answers = [mock.ask("POST", SEND, BODY).status for _ in range(3)]
    other = mock.ask("POST", SEND.replace(SESSION, "user_2_session_b"), BODY).status

    assert answers == [status, status, 201]
    assert other == 201


def test_a_send_that_hangs_runs_into_the_applications_own_timeout(mock: Mock) -> None:
    mock.link()
    mock.control("fail", {"mode": "hang"})

    with pytest.raises(TimeoutError):
        mock.ask("POST", SEND, BODY, within_s=0.5)

    assert mock.ask("POST", SEND, BODY).status == 201


def test_somebody_writes_and_somebody_else_writes_stop(mock: Mock) -> None:
    mock.link()

    mock.control("receive", {"from": "85298765432", "text": "Is it open? ☂"})
    mock.control("stop-reply", {"from": "85291234567"})

    (first, *_) = eventually(lambda: events(mock, "message.received"))
    assert "Is it open? ☂" in str(first)
    eventually(lambda: events(mock, "contact.opted_out"))
    refused = mock.ask("POST", f"/v1/sessions/{SESSION}/messages", {"to": "+85291234567", "text": "x"})
    assert refused.status == 422


def test_first_contacts_are_held_until_the_restriction_ends(mock: Mock) -> None:
    mock.link()
    mock.control("restrict")
    message_id = mock.send("+85212340003")

    eventually(lambda: cast("dict[str, Json]", mock.message(message_id)["hold"] or {}).get("code") == "restricted")
    assert mock.control("restrict", {"active": 0}).status == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (f"/_mock/sessions/{SESSION}/ban", None, 404),
        ("/_mock/sessions/..%2F..%2Fx/ban", None, 404),
        (f"/_mock/sessions/{SESSION}/explode", None, 404),
        (f"/_mock/sessions/{SESSION}/receive", {"form": "85298765432"}, 422),
        (f"/_mock/sessions/{SESSION}/receive", ["from"], 400),
        (f"/_mock/sessions/{SESSION}/receive", {"text": "x" * 20_000}, 413),
        (f"/_mock/sessions/{SESSION}/receive", {"text": ["x" * 8_000] * 9}, 413),
        (f"/_mock/sessions/{SESSION}/ban", {"code": 401}, 422),
    ],
)
def test_what_cannot_be_done_is_refused(mock: Mock, path: str, body: Json, status: int) -> None:
    assert mock.ask("POST", path, body, {}).status == status


def test_a_text_of_several_packets_arrives_whole(mock: Mock) -> None:
    mock.link()

    assert mock.control("receive", {"from": "85298765432", "text": "☂" * 4_000}).status == 200

    (first, *_) = eventually(lambda: events(mock, "message.received"))
    assert "☂" * 4_000 in str(first)


def test_a_body_that_is_no_json_is_refused(mock: Mock) -> None:
    assert mock.ask("POST", f"/_mock/sessions/{SESSION}/receive?from=1", "[" * 5000, {}).status == 400


def test_a_session_without_an_engine_is_told_apart(mock: Mock) -> None:
    mock.ask("POST", "/v1/sessions", {"session_id": SESSION, "desired": "stopped"})

    refused = mock.control("scan")

    assert (refused.status, "start it first" in str(refused.body["detail"])) == (409, True)


def test_where_no_phone_scans_the_code_stays_until_the_test_does(tmp_path_factory: pytest.TempPathFactory) -> None:
    with mocking(tmp_path_factory.mktemp("n"), "--scan-after", "never", "--key", "any text") as mock:
        key = {"X-API-Key": "any text"}
        body: Json = {"session_id": SESSION, "wait_for": "qr", "timeout_s": 30}
        made = mock.ask("POST", "/v1/sessions", body, key)

        assert (made.status, made.body["status"]) == (201, "qr_ready")
        assert str(made.body["qr_base64"]).startswith("iVBOR")
        assert mock.control("scan").status == 200
        eventually(lambda: mock.ask("GET", f"/v1/sessions/{SESSION}", headers=key).body["status"] == "connected")
        assert mock.control("scan").status == 409
