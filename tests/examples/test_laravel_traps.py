"""The Laravel package where an app, a proxy or a person does what nobody thinks of at first."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.e2e.peers.daemon import eventually
from tests.examples.books import read_books
from tests.examples.laravel_site import HAS_LARAVEL, Site, artisan, build_app, run_php, serving

pytestmark = pytest.mark.skipif(not HAS_LARAVEL, reason="needs the packages that test_laravel.py names")

PACE = {"MESSAGE_GAP_MIN_S": "0.01", "MESSAGE_GAP_MAX_S": "0.03", "CONTACT_CHECK_GAP_S": "0.01"}
SCHEDULE = """
    use OpenWaManager\\Laravel\\Models\\Campaign;
    $campaigns = app(OpenWaManager\\Laravel\\Services\\CampaignScheduler::class);
    $schedule = fn ($to, $terms = []) => $campaigns->schedule(['user_id' => '7', 'session_id' => 'NAME',
        'name' => 'Autumn', 'template' => ['text' => 'Hello'], 'terms' => $terms, 'status' => 'completed',
    ], [['to' => $to]]);
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("site"), PACE) as running:
        yield running


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an app whose manager does not answer."""
    folder = tmp_path_factory.mktemp("app") / "app"
    build_app(folder)
    (folder / ".env").write_text("APP_ENV=testing\nOPENWA_BASE_URL=http://127.0.0.1:9\nOPENWA_SESSION=acme\n")
    return folder


class Proxy(BaseHTTPRequestHandler):
    """Redirects sessions called `moved`, refuses `full`, and shows its own page for all others."""

    asked: list[str]

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append(f"{self.command} {self.path}")
        if "moved" in self.path:
            self.send_response(301)
            self.send_header("Location", self.path.replace("moved", "elsewhere"))
        elif "full" in self.path:
            self.send_response(503)
            self.send_header("Retry-After", "7")
        else:
            self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html>Please log in</html>")

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def behind_a_proxy() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    handler = type("Asked", (Proxy,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def sent(site: Site, session: str) -> list[str]:
    return [entry["chat_id"].removesuffix("@c.us") for entry in read_books(site.daemon, session)]


def has_got(site: Site, session: str, to: str) -> bool:
    return to.removeprefix("+") in sent(site, session)


def campaign(site: Site, name: str, code: str) -> object:
    return json.loads(run_php(site.folder, SCHEDULE.replace("NAME", name) + code))


def test_a_campaign_that_is_stopped_before_cron_comes_waits_until_it_may_go_on(site: Site) -> None:
    name = site.connect()

    stopped = campaign(
        site, name, "$made = $schedule('+85260001000'); $campaigns->setState($made, 'paused'); return $made->status;"
    )
    site.run_cron()
    waiting = campaign(site, name, "return Campaign::first()->counts();")
    going_on = campaign(site, name, "$campaigns->setState($it = Campaign::first(), 'active'); return $it->status;")
    site.run_cron()
    eventually(lambda: sent(site, name) == ["85260001000"])

    assert (stopped, waiting, going_on) == ("paused", {"waiting": 1}, "scheduled")


def test_a_campaign_of_a_database_made_anew_is_another_campaign(site: Site) -> None:
    name = site.connect()
    for to in ("+85260001000", "+85260001001"):
        site.rows("DELETE FROM openwa_campaign_messages")
        site.rows("DELETE FROM openwa_campaign_batches")
        site.rows("DELETE FROM openwa_campaigns")
        site.rows("DELETE FROM sqlite_sequence WHERE name LIKE 'openwa_campaign%'")
        number = campaign(site, name, f"return $schedule('{to}')->id;")
        site.run_cron()

        assert number == 1
        eventually(partial(has_got, site, name, to))


def test_a_campaigns_time_is_the_apps_own_and_its_state_is_not_the_callers(site: Site) -> None:
    made = campaign(
        site,
        "acme",
        "config(['app.timezone' => 'Asia/Hong_Kong']); date_default_timezone_set('Asia/Hong_Kong');"
        "$made = $schedule('+85260001000', ['send_after' => '2030-01-01 10:00']); $made->delete();"
        "return [$made->status, $made->terms];",
    )

    assert made == ["scheduled", {"send_after": "2030-01-01T02:00:00.000Z"}]


@pytest.mark.parametrize(
    "user", ["1", "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "Ann@example.com", "ü", "a_b"]
)
def test_users_with_any_id_get_sessions(site: Site, user: str) -> None:
    code = f"return app(OpenWaManager\\Laravel\\Services\\SessionManager::class)->create('{user}');"

    made = json.loads(run_php(site.folder, code))

    assert made["user_id"] == user
    assert made["session_id"].startswith("user_")
    assert site.rows("SELECT user_id FROM openwa_sessions WHERE session_id = ?", made["session_id"]) == [(user,)]
    site.daemon.ask("DELETE", f"/v1/sessions/{made['session_id']}")


def test_a_session_that_is_refused_leaves_no_row(site: Site) -> None:
    code = "app(OpenWaManager\\Laravel\\Services\\SessionManager::class)->create('refused');"

    refused = json.loads(run_php(site.folder, code, OPENWA_API_KEY="owm_wrong"))

    assert refused["thrown"] == "UnauthenticatedException"
    assert site.rows("SELECT * FROM openwa_sessions WHERE user_id = 'refused'") == []


def test_what_is_not_the_managers_answer_is_not_taken_for_one(app: Path) -> None:
    with behind_a_proxy() as (url, asked):
        moved, page, full = [
            json.loads(run_php(app, f"OpenWa::session('{name}')->text('+85260001000', 'Hello');", OPENWA_BASE_URL=url))
            for name in ("moved", "logged-in", "full")
        ]

    assert moved["thrown"] == page["thrown"] == "OpenWaPermanentException"
    assert "OPENWA_BASE_URL redirects" in moved["message"]
    assert "is not the manager" in page["message"]
    assert full["thrown"] == "ServerException"  # nothing was taken, so that is no unknown outcome
    assert asked == [f"POST /v1/sessions/{name}/messages" for name in ("moved", "logged-in", "full", "full")]


@pytest.mark.parametrize(("secret", "status"), [("whsec_", 401), ("whsec_#", 401), ("", 401), ("whsec_AAAA", 204)])
def test_a_secret_that_everybody_knows_is_none(app: Path, secret: str, status: int) -> None:
    code = """
        $key = base64_decode(substr(config('openwa.webhook_secret'), 6));
        $body = json_encode(['id' => uniqid('evt_'), 'type' => 'openwa.test', 'session_id' => null]);
        $signed = ['webhook-id' => 'evt', 'webhook-timestamp' => (string) time()];
        $mac = hash_hmac('sha256', implode('.', $signed).".$body", $key, true);
        $signed['webhook-signature'] = 'v1,'.base64_encode($mac);
        $request = Illuminate\\Http\\Request::create('/webhooks/openwa', 'POST', [], [], [], [], $body);
        $request->headers->add($signed);
        return app(Illuminate\\Contracts\\Http\\Kernel::class)->handle($request)->getStatusCode();"""

    assert run_php(app, code, OPENWA_WEBHOOK_SECRET=secret) == str(status)


def test_a_log_of_every_event_holds_no_code(app: Path) -> None:
    code = """
        use OpenWaManager\\Laravel\\Events\\{AnyOpenWaEvent, EventClasses, SessionQr};
        Event::listen(AnyOpenWaEvent::class, fn ($event) => Log::info('heard', [$event, $event->payload]));
        $event = ['type' => 'session.qr', 'session_id' => 'acme', 'qr_base64' => 'c2VjcmV0'];
        event($made = EventClasses::make($event));
        return [$made->qrBase64, unserialize(serialize($made))->qrBase64, print_r($made, true)];"""
    facades = "use Illuminate\\Support\\Facades\\{Event, Log};"

    code_here, code_queued, shown = json.loads(run_php(app, facades + code))

    log = (app / "storage" / "logs" / "laravel.log").read_text()
    assert (code_here, code_queued) == ("c2VjcmV0", "c2VjcmV0")
    assert "heard" in log
    assert "c2VjcmV0" not in log + shown


def test_the_tables_can_be_rolled_back_and_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    build_app(folder)

    for steps in ("--step=1", "--step=2", "--step=3"):
        artisan(folder, "migrate:rollback", "--force", steps)
        artisan(folder, "migrate", "--force")

    code = "return Illuminate\\Support\\Facades\\Schema::hasColumn('openwa_sessions', 'notified_at');"
    assert run_php(folder, code) == "true"


def test_the_fake_answers_what_pages_of_an_app_ask(app: Path) -> None:
    code = """
        OpenWa::fake();
        $service = OpenWa::service();
        $limits = [$service->quota('7')['messages_limit'], $service->setQuota('7', 5)['messages_limit']];
        return [$service->sessions(), ...$limits];"""

    assert json.loads(run_php(app, code)) == [[], None, 5]


@pytest.mark.parametrize(("exception", "status"), [("NoAnswerException", 503), ("UnauthenticatedException", 502)])
def test_a_page_that_catches_nothing_shows_no_address_of_the_manager(app: Path, exception: str, status: int) -> None:
    code = f"""
        $thrown = new OpenWaManager\\Laravel\\Exceptions\\{exception}('No connection to http://10.0.0.5:2790', 0);
        $show = function (bool $isDebugging) use ($thrown) {{
            config(['app.debug' => $isDebugging]);
            $page = $thrown->render();
            return [$page->getStatusCode(), $page->getData(true)['message']];
        }};
        return [$show(false), $show(true)];"""

    shown, debugged = json.loads(run_php(app, code))

    assert shown[0] == debugged[0] == status
    assert "10.0.0.5" not in shown[1]
    assert "10.0.0.5" in debugged[1]


def test_an_app_gives_the_facade_words_of_its_own(app: Path) -> None:
    code = """
        OpenWa::macro('greet', fn ($to) => $this->session()->when(true, fn ($session) => $session->text($to, 'Hello')));
        $fake = OpenWa::fake();
        OpenWa::greet('+85260001000');
        return array_map(fn ($each) => "$each->sessionId $each->to $each->text", $fake->sent());"""

    assert json.loads(run_php(app, code)) == ["acme +85260001000 Hello"]
