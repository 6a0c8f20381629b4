"""Whom the Laravel package tells what: users of their sessions, phones of notifications; and whom it believes."""

import json
import time
from collections.abc import Iterator

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import eventually
from tests.examples.backend import PATH, SECRET, plain_header, standard_headers
from tests.examples.laravel_site import HAS_LARAVEL, Site, artisan, configure, run_php, serving

pytestmark = pytest.mark.skipif(not HAS_LARAVEL, reason="needs the packages that test_laravel.py names")

OTHER = "whsec_b3RoZXI="
DISCONNECTED, BANNED = "Your WhatsApp number is disconnected", "Your WhatsApp number was banned"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = {"HEARTBEAT_S": "1000", "ALLOW_PRIVATE_ENDPOINTS": "true"}
    with serving(tmp_path_factory.mktemp("site"), settings) as running:
        running.rows("INSERT INTO users (id, email, phone) VALUES (7, 'ann@example.com', '+85260001000')")
        yield running


@pytest.fixture(autouse=True)
def _settings(site: Site) -> None:
    configure(site.folder, site.daemon, OPENWA_NOTIFY_AFTER_S="0")


def mails(site: Site, subject: str) -> int:
    """Return how many mails with this subject the app has sent, into its log."""
    log = site.folder / "storage/logs/laravel.log"
    return log.read_text().count(f"Subject: {subject}") if log.exists() else 0


def event(number: int) -> dict[str, Json]:
    return {"id": f"evt_signed_{number}", "type": "endpoint.test", "session_id": None, "endpoint_id": "ep_1"}


def test_a_user_is_told_once_each_time_a_session_is_away(site: Site) -> None:
    name = site.connect()
    site.run_cron()
    before = mails(site, DISCONNECTED)
    site.daemon.steer(name, "close?code=401")
    eventually(
        lambda: site.rows("SELECT 1 FROM openwa_sessions WHERE disconnected_at IS NOT NULL AND session_id = ?", name)
    )
    site.run_cron()
    site.run_cron()

    assert (before, mails(site, DISCONNECTED)) == (0, 1)
    assert f"session {name}" in (site.folder / "storage/logs/laravel.log").read_text()


def test_a_session_that_connects_again_in_time_tells_nobody(site: Site) -> None:
    configure(site.folder, site.daemon, OPENWA_NOTIFY_AFTER_S="300")
    before = mails(site, DISCONNECTED)
    name = site.connect()
    site.daemon.steer(name, "close?code=408")
    eventually(lambda: site.rows("SELECT 1 FROM told WHERE class = 'SessionDisconnected' AND says LIKE ?", f"%{name}%"))

    site.run_cron()
    eventually(lambda: site.has_status(name, "connected"))

    assert site.rows("SELECT disconnected_at, notified_at FROM openwa_sessions WHERE session_id = ?", name) == [
        (None, None)
    ]
    assert mails(site, DISCONNECTED) == before


def test_nobody_is_told_of_a_session_that_the_manager_says_is_well(site: Site) -> None:
    name = site.connect()
    before = mails(site, DISCONNECTED)
    site.rows(
        "UPDATE openwa_sessions SET status = 'disconnected', disconnected_at = '2026-01-01' WHERE session_id = ?", name
    )

    site.run_cron()

    assert mails(site, DISCONNECTED) == before
    assert site.has_status(name, "connected")


def test_a_ban_is_told_at_once_and_once(site: Site) -> None:
    name = site.connect()
    site.daemon.steer(name, "close?code=403")
    eventually(lambda: site.has_status(name, "banned"))

    site.run_cron()
    site.run_cron()

    assert mails(site, BANNED) == 1
    assert site.rows("SELECT notified_at IS NOT NULL FROM openwa_sessions WHERE session_id = ?", name) == [(1,)]


def test_a_session_of_nobody_is_no_trouble(site: Site) -> None:
    site.rows(
        "INSERT INTO openwa_sessions (session_id, user_id, status, paired_launch) VALUES ('of-99', '99', 'banned', 1)"
    )
    before = mails(site, BANNED)

    site.run_cron()

    assert mails(site, BANNED) == before
    assert site.rows("SELECT notified_at IS NOT NULL FROM openwa_sessions WHERE session_id = 'of-99'") == [(1,)]


def test_a_notification_goes_to_the_phone_of_its_model_and_once_if_tried_twice(site: Site) -> None:
    code = """
        use Illuminate\\Support\\Facades\\Notification;
        use OpenWaManager\\Laravel\\Models\\OpenWaSession;
        use OpenWaManager\\Laravel\\Notifications\\{OpenWaChannel, SessionBanned};
        config(['openwa.session' => 'support', 'openwa.notify_via' => ['openwa']]);
        OpenWa::fake();
        $session = new OpenWaSession(['session_id' => 'acme', 'status' => 'banned', 'phone_number' => '85298765432']);
        $user = App\\Models\\User::find(7);
        $user->notify(new SessionBanned($session));
        (new App\\Models\\User)->notify(new SessionBanned($session)); // has no phone
        Notification::route('openwa', '+85260001009')->notify(new SessionBanned($session));
        $again = new SessionBanned($session);
        $again->id = 'the-same';
        $channel = app(OpenWaChannel::class);
        $sent = [$channel->send($user, $again)['message_id'], $channel->send($user, $again)['message_id']];
        $shown = array_map(fn ($each) => [$each->sessionId, $each->to, $each->text], OpenWa::sent());
        return [$shown, $sent[0] === $sent[1]];"""

    sent, is_same = json.loads(run_php(site.folder, code))

    text = (
        "Your WhatsApp number was banned. Number +85298765432 (session acme). WhatsApp closed this account. Please link"
    )
    assert [each[:2] for each in sent] == [
        ["support", "+85260001000"],
        ["support", "+85260001009"],
        ["support", "+85260001000"],
    ]
    assert sent[0][2] == f"{text} another number."
    assert is_same is True


def test_two_secrets_are_taken_while_one_is_being_changed(site: Site) -> None:
    def answers(number: int) -> list[int]:
        at = time.time_ns() / 1e9
        return [
            site.backend.post(event(number), **standard_headers(event(number), at, secret))
            for secret in (SECRET, OTHER)
        ]

    before = answers(1)
    configure(site.folder, site.daemon, OPENWA_WEBHOOK_SECRET=OTHER, OPENWA_WEBHOOK_SECRET_PREVIOUS=SECRET)
    during = answers(2)
    configure(site.folder, site.daemon, OPENWA_WEBHOOK_SECRET=OTHER)
    after = answers(3)
    configure(site.folder, site.daemon, OPENWA_WEBHOOK_SECRET="", OPENWA_WEBHOOK_SECRET_PREVIOUS="")
    none = answers(4)

    assert [before, during, after, none] == [[204, 401], [204, 204], [401, 204], [401, 401]]


def test_the_plain_check_takes_the_signature_with_the_former_secret_too(site: Site) -> None:
    configure(site.folder, site.daemon, OPENWA_SIGNATURE="plain")
    [former] = plain_header(event(5), SECRET).values()
    [wrong] = plain_header(event(5), OTHER).values()

    answers = [
        site.backend.post(event(5), **headers)
        for headers in (
            {"X-OpenWA-Signature": wrong, "X-OpenWA-Signature-Previous": former},
            {"X-OpenWA-Signature": wrong, "X-OpenWA-Signature-Previous": wrong},
            {"X-OpenWA-Signature": wrong},
        )
    ]

    assert answers == [204, 401, 401]


@pytest.mark.parametrize("signature", ["standard", "plain"])
def test_events_go_on_while_the_manager_has_a_new_secret_and_the_app_not_yet(site: Site, signature: str) -> None:
    configure(site.folder, site.daemon, OPENWA_SIGNATURE=signature)
    url = f"http://127.0.0.1:{site.backend.port}{PATH}"
    terms: dict[str, Json] = {"url": url, "events": ["session.created"], "sessions": ["*"], "secret": SECRET}
    endpoint = site.daemon.ask("POST", "/v1/endpoints", terms).text("endpoint_id")

    rotated = site.daemon.ask("POST", f"/v1/endpoints/{endpoint}/rotate-secret")
    tried = site.daemon.ask("POST", f"/v1/endpoints/{endpoint}/test")
    site.daemon.ask("DELETE", f"/v1/endpoints/{endpoint}")

    assert rotated.status == 200
    assert json.loads(tried.raw)["status"] == 204, tried.raw


def test_what_a_listener_throws_undoes_the_event_so_that_it_comes_again(site: Site) -> None:
    code = """
        use Illuminate\\Support\\Facades\\{DB, Event};
        use OpenWaManager\\Laravel\\Events\\SessionStatus;
        use OpenWaManager\\Laravel\\Services\\OpenWaEvents;
        $times = 0;
        Event::listen(function (SessionStatus $event) use (&$times) {
            if (++$times === 1) {
                throw new RuntimeException('not now');
            }
        });
        $event = ['id' => 'evt_undone', 'type' => 'session.status', 'session_id' => 'undone', 'user_id' => null,
            'status' => 'qr_ready', 'reason' => null];
        $counts = [];
        foreach ([1, 2, 3] as $try) {
            rescue(fn () => app(OpenWaEvents::class)->handle($event), null, false);
            $counts[] = DB::table('openwa_sessions')->where('session_id', 'undone')->count();
        }
        return [$times, $counts];"""

    assert json.loads(run_php(site.folder, code)) == [2, [0, 1, 1]]


def test_an_unknown_type_and_odd_fields_are_heard_as_they_are(site: Site) -> None:
    code = """
        use OpenWaManager\\Laravel\\Events\\EventClasses;
        $fields = ['type' => 'message.read', 'id' => 5, 'seq' => 'x', 'timestamp' => 'soon', 'to' => []];
        $odd = EventClasses::make($fields);
        $new = EventClasses::make(['type' => 'moon.rose', 'id' => 'evt_1', 'session_id' => 'acme']);
        $read = [class_basename($odd), $odd->id, $odd->seq, $odd->at, $odd->to];
        return [...$read, class_basename($new), $new->sessionId];"""

    assert json.loads(run_php(site.folder, code)) == ["MessageRead", "", None, None, None, "UnknownEvent", "acme"]
    assert "openwa:test" in artisan(site.folder, "list", "openwa")
