"""The code of the users' guide for Laravel, word for word (tests/examples/guide), against the real daemon.

What works as written: sendText with its body, key and answer; the webhook's `event`, `session_id`, `phone_number`,
`reason` and `message_id`; the signature; Option A of the health check. What does not, whatever the daemon does: see the
tests whose names say "must".
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import eventually
from tests.examples.books import read_books
from tests.examples.laravel_site import HAS_LARAVEL, Site, artisan, one_picture, serving

pytestmark = pytest.mark.skipif(not HAS_LARAVEL, reason="needs the packages that test_laravel.py names")

GUIDE = Path(__file__).parent / "guide"
NAME = "user_1_session_550e8400"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with serving(tmp_path, {"MESSAGE_GAP_MIN_S": "0.01", "MESSAGE_GAP_MAX_S": "0.03"}, example=GUIDE) as running:
        running.rows("INSERT INTO wa_sessions (session_id) VALUES (?)", NAME)
        running.daemon.create(NAME, wait_for="qr")
        yield running


def connect(site: Site) -> None:
    site.daemon.steer(NAME, "scan")
    eventually(lambda: session(site)[0] == "connected")


def session(site: Site) -> tuple[object, ...]:
    return site.rows("SELECT status, phone_number, ban_reason FROM wa_sessions")[0]


def send(site: Site, what: str, **message: Json) -> tuple[int, dict[str, Json]]:
    raw = json.dumps({"session": NAME, "to": "+85260001000", **message}).encode()
    status, answer = site.backend.ask("POST", f"/{what}", raw, {"Accept": "application/json"})
    return status, json.loads(answer)


def test_a_session_connects_and_is_banned_as_the_guides_handlers_read_it(site: Site) -> None:
    connect(site)
    connected = session(site)
    site.daemon.steer(NAME, "close?code=403")
    eventually(lambda: session(site)[0] == "banned")

    assert connected == ("connected", site.daemon.session(NAME).body["phone_number"], None)
    assert session(site)[2] == "banned"
    assert site.rows("SELECT DISTINCT fits FROM signatures") == [(1,)]


def test_the_guides_loop_sends_each_message_once_and_its_handler_marks_them_delivered(site: Site) -> None:
    connect(site)
    for number in range(3):
        site.rows('INSERT INTO campaign_messages ("to", text) VALUES (?, ?)', f"+8526000{1000 + number}", "Hello")

    artisan(site.folder, "guide:campaign", NAME)

    # The guide's loop stores the id right after the answer: an event that is quicker is lost to it, so not all may be.
    eventually(lambda: ("delivered",) in site.rows("SELECT status FROM campaign_messages"))
    assert site.rows("SELECT count(DISTINCT whatsapp_message_id) FROM campaign_messages") == [(3,)]
    assert [entry["text"] for entry in read_books(site.daemon, NAME)] == ["Hello"] * 3


def test_send_text_answers_as_the_guide_says(site: Site) -> None:
    connect(site)

    status, answer = send(site, "send-text", text="Hello")

    assert status == 200
    assert answer["status"] == "queued"
    assert answer["messageId"] == read_books(site.daemon, NAME)[0]["message_id"]


def test_send_text_throws_the_guides_exception_with_what_was_answered(site: Site) -> None:
    status, answer = send(site, "send-text", text="Hello")  # nobody has scanned yet

    assert status == 500
    assert answer["exception"] == "App\\Exceptions\\OpenWaException"
    assert "not connected" in str(answer["message"])


def test_send_image_must_give_the_key_as_send_text_does(site: Site) -> None:
    connect(site)
    service = site.folder / "app/Services/OpenWaService.php"
    with_key = service.read_text().replace(
        "Http::post(", "Http::withHeaders(['X-API-Key' => config('openwa.api_key')])->post("
    )

    with one_picture() as url:
        as_written = send(site, "send-image", caption="Look", url=url)
        site.backend.__exit__(None, None, None)
        service.write_text(with_key)
        with site.backend:
            mended = send(site, "send-image", caption="Look", url=url)

    assert as_written == (200, {"message": "API key is required", "error": "Unauthorized", "statusCode": 401})
    assert mended[1]["status"] == "queued"
    assert [(entry["kind"], entry["text"]) for entry in read_books(site.daemon, NAME)] == [("image", "Look")]


def test_the_route_must_stand_in_a_class_that_has_the_handlers(site: Site) -> None:
    event = json.dumps({"event": "session.connected", "session_id": NAME}).encode()

    in_a_file = site.backend.ask("POST", "/in-a-file/webhooks/openwa", event, {"Accept": "application/json"})
    in_a_class = site.backend.ask("POST", "/webhooks/openwa", event)

    assert in_a_file[0] == 500
    assert "handleSessionConnected" in json.loads(in_a_file[1])["message"]
    assert (in_a_class[0], json.loads(in_a_class[1])) == (200, {"status": "ok"})


def test_the_health_job_marks_a_session_that_is_not_well(site: Site) -> None:
    connect(site)
    artisan(site.folder, "guide:health")
    well = session(site)[0]

    site.daemon.ask("POST", f"/v1/sessions/{NAME}/stop?wait=20")
    artisan(site.folder, "guide:health")

    assert well == "connected"
    assert session(site)[0] == "disconnected"


def test_a_message_at_the_guides_other_path_is_sent_too(site: Site) -> None:
    connect(site)

    answers = [
        site.daemon.ask("POST", f"/api/sessions/{NAME}/messages/send", {"to": "+85260001000", "text": "Hello"}),
        site.daemon.ask("GET", f"/api/sessions/{NAME}/health"),
    ]

    assert [answer.status for answer in answers] == [201, 200]
    assert answers[0].body["status"] == "queued"
    assert [entry["text"] for entry in read_books(site.daemon, NAME)] == ["Hello"]


def test_the_route_in_api_php_must_be_called_below_api_and_taken_out_of_the_throttle(site: Site) -> None:
    routes, body = site.folder / "routes/api.php", json.dumps({"event": "message.read", "session_id": NAME}).encode()

    def post_twice() -> list[int]:
        return [site.backend.ask("POST", "/api/webhooks/openwa", body)[0] for _ in range(2)]

    as_written = post_twice()
    code = routes.read_text()
    assert code.rstrip().endswith("});")
    site.backend.__exit__(None, None, None)  # PHP keeps a file for some seconds
    routes.write_text(code.rstrip().removesuffix(";") + "->withoutMiddleware('throttle:api');\n")
    with site.backend:
        mended = post_twice()

    assert as_written == [200, 429]  # the app's limit is 1 a minute; the guide's 60 are used up by a campaign as well
    assert mended == [200, 200]
