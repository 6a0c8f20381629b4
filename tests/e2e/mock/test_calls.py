"""What an application asks of the mock: both APIs, the guide's service, the magic numbers, and the books."""

from collections.abc import Mapping
from functools import partial

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.e2e.mock.running import KEY, NUMBER, SESSION, Mock
from tests.e2e.peers.daemon import eventually

#: By the last four digits: how a message ends in the queue, why, and whether WhatsApp got it.
FATES: Mapping[str, tuple[str, str | None, bool]] = {
    "0001": ("bounced", "not_on_whatsapp", False),
    "0002": ("bounced", "blocked", False),
    "0006": ("read", None, True),
    "0007": ("unknown", "engine_error", False),
    "0008": ("read", None, True),
    "0009": ("read", None, True),
    "0011": ("read", None, True),
    "0012": ("sent", None, True),
    "0013": ("read", None, True),
    "0014": ("read", None, True),
    "0015": ("failed", "negative_ack", True),
    "0016": ("read", None, True),
    "0017": ("read", None, True),
    "5678": ("read", None, True),
}
#: The guide's answers to sends, by the last four digits.
ANSWERS: Mapping[str, int] = {"0002": 400, "0004": 429, "0005": 429, "0006": 500, "0007": 500, "0008": 503, "5678": 201}


def test_every_magic_number_ends_as_the_table_says(mock: Mock) -> None:
    mock.link()
    sent = {digits: mock.send(f"+8521234{digits}", digits) for digits in FATES}

    def ended() -> bool:
        return all(mock.message(sent[digits])["status"] == fate[0] for digits, fate in FATES.items())

    eventually(ended)
    found = {digits: mock.message(message_id) for digits, message_id in sent.items()}
    assert {digits: each["error_code"] for digits, each in found.items()} == {
        digits: fate[1] for digits, fate in FATES.items()
    }
    got = {str(each["to"])[-4:] for each in mock.books()}
    assert got == {digits for digits, fate in FATES.items() if fate[2]}


@pytest.mark.slow
def test_the_numbers_that_wait_are_sent_when_their_time_is_over(mock: Mock) -> None:
    mock.link()
    mock.link("user_1_session_b")
    throttled, paced = mock.send("+85212340004"), mock.send("+85212340005")
    restricted = mock.send("+85212340003", session_id="user_1_session_b")

    hold = eventually(lambda: mock.message(throttled)["hold"])
    assert hold == {**as_object(hold), "code": "engine_limited"}
    eventually(lambda: as_object(mock.message(restricted)["hold"] or {}).get("code") == "restricted")
    eventually(lambda: {mock.message(each)["status"] for each in (throttled, paced)} == {"read"})


def is_read(mock: Mock, message_id: str) -> bool:
    return mock.message(message_id)["status"] == "read"


def as_object(value: object) -> dict[str, Json]:
    assert isinstance(value, dict)
    return value


@pytest.mark.slow
def test_a_number_that_never_answers_holds_nobody_else_up(mock: Mock) -> None:
    mock.link()
    silent, other = mock.send("+85212340010"), mock.send(NUMBER)

    eventually(lambda: is_read(mock, other))
    eventually(lambda: is_read(mock, silent))
    assert "+85212340010" in [each["to"] for each in mock.books()]


def test_stop_ends_in_a_suppression(mock: Mock) -> None:
    mock.link()
    mock.send("+85212340016")

    eventually(lambda: mock.ask("GET", "/v1/users/1/suppressions").body["suppressions"])
    refused = mock.ask("POST", f"/v1/sessions/{SESSION}/messages", {"to": "+85212340016", "text": "again"})
    assert (refused.status, refused.body["code"]) == (422, "opted_out")


@pytest.mark.parametrize("digits", ANSWERS)
def test_the_guides_send_text_is_answered_as_openwa_would(shared: Mock, digits: str) -> None:
    shared.link()

    answer = shared.ask(
        "POST", f"/api/sessions/{SESSION}/messages/send-text", {"to": f"+8521234{digits}", "text": "Hello"}
    )

    assert answer.status == ANSWERS[digits]
    if answer.status == 201:
        assert answer.body["status"] == "queued"
        assert answer.body["messageId"] in [each["message_id"] for each in shared.books()]


def test_the_guides_send_image_needs_the_key_and_takes_any_public_address(mock: Mock) -> None:
    mock.link()
    path = f"/api/sessions/{SESSION}/messages/send-image"
    body: Json = {"to": NUMBER, "url": "https://app.example.com/flyer.jpg", "caption": "New"}

    forgotten, sent = mock.ask("POST", path, body, {}), mock.ask("POST", path, body)

    assert (forgotten.status, sent.status) == (401, 201)
    assert [(each["kind"], each["text"]) for each in mock.books()] == [("image", "New")]


def test_the_key_is_taken_in_both_headers_and_no_other_key_is(mock: Mock) -> None:
    bearer = mock.ask("GET", "/v1/sessions", headers={"Authorization": f"Bearer {KEY}"})
    wrong = mock.ask("GET", "/v1/sessions", headers={"X-API-Key": "another"})
    none = mock.ask("GET", "/api/sessions", headers={})

    assert (bearer.status, wrong.status, none.status) == (200, 401, 401)


def test_a_key_that_was_made_works_until_the_reset(mock: Mock) -> None:
    made = mock.ask("POST", "/v1/keys", {"name": "app", "role": "viewer"}).body["key"]

    before = mock.ask("GET", "/v1/sessions", headers={"X-API-Key": str(made)})
    mock.reset()
    after = mock.ask("GET", "/v1/sessions", headers={"X-API-Key": str(made)})

    assert (before.status, after.status) == (200, 401)


def test_the_books_tell_in_order_what_whatsapp_got(mock: Mock) -> None:
    mock.link()
    mock.link("user_2_session_b")
    for number, session_id in enumerate((SESSION, "user_2_session_b", SESSION)):
        message_id = mock.send(f"+8521234600{number}", f"<b>{number}</b>", session_id)
        eventually(partial(is_read, mock, message_id))

    assert [each["text"] for each in mock.books()] == [f"<b>{number}</b>" for number in range(3)]
    assert [each["text"] for each in mock.books("?session=user_2_session_b")] == ["<b>1</b>"]
    assert [each["text"] for each in mock.books("?to=%2B85212346002")] == ["<b>2</b>"]
    assert [each["text"] for each in mock.books("?to=85212346002@c.us")] == ["<b>2</b>"]
    assert [each["text"] for each in mock.books("?after=1&limit=1")] == ["<b>1</b>"]
    assert mock.books("?to=%2B85299999999") == mock.books("?session=nobody") == []
    page = mock.ask("GET", "/_mock/messages", headers={"Accept": "text/html"})
    assert page.kind == "text/html"
    assert b"&lt;b&gt;2&lt;/b&gt;" in page.raw
    assert b"<b>" not in page.raw


def test_the_books_outlive_the_session_until_they_are_emptied(mock: Mock) -> None:
    mock.link()
    message_id = mock.send(NUMBER)
    eventually(lambda: mock.message(message_id)["status"] == "read")
    mock.ask("DELETE", f"/v1/sessions/{SESSION}")

    kept = mock.books()
    deleted = mock.ask("DELETE", "/_mock/messages", headers={})
    mock.link()
    mock.send(NUMBER, "later")

    assert [each["session_id"] for each in kept] == [SESSION]
    assert deleted.body == {"deleted": 1}
    eventually(lambda: [each["text"] for each in mock.books()] == ["later"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/_mock", 200),
        ("GET", "/_mock/", 200),
        ("GET", "/_mock/nothing", 404),
        ("PUT", "/_mock/messages", 404),
        ("GET", "/_mock/messages?sesion=a", 422),
        ("GET", "/_mock/messages?after=-1", 422),
        ("GET", "/_mock/messages?limit=%D9%A1", 422),
        ("GET", "/_mockery", 401),
    ],
)
def test_what_mock_does_not_know_it_refuses(shared: Mock, method: str, path: str, status: int) -> None:
    assert shared.ask(method, path, headers={}).status == status


def test_nothing_is_limited(mock: Mock) -> None:
    assert {mock.ask("GET", "/v1/sessions").status for _ in range(100)} == {200}
    assert {mock.ask("GET", "/v1/sessions", headers={"X-API-Key": "x"}).status for _ in range(30)} == {401}
