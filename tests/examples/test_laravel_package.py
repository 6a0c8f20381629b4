"""The Laravel package: files that Composer can install, a facade that sends, and its stand-in for tests."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import PASSED_THROUGH, matches_any
from openwa_manager.engines.versions import EVENTS
from tests.e2e.peers.daemon import eventually
from tests.examples.books import read_books
from tests.examples.laravel_site import HAS_LARAVEL, PACKAGE, Site, build_app, run_php, serving
from tests.source import ROOT

FILES = sorted(PACKAGE.rglob("*.php"))
CLASSES = sorted((PACKAGE / "src").rglob("*.php"))
NAMESPACE = "OpenWaManager\\Laravel"
#: Of our own types of events, where each is written down in the sources.
_TYPES = re.compile(
    r'(?:type=|_event\(|announce\(\s*)f?"((?:session|message|batch|contact|queue|manager|host|audit)\.\w+)"'
)
needs_laravel = pytest.mark.skipif(not HAS_LARAVEL, reason="needs the packages that test_laravel.py names")
needs_php = pytest.mark.skipif(shutil.which("php") is None, reason="needs php")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    pace = {"MESSAGE_GAP_MIN_S": "0.01", "MESSAGE_GAP_MAX_S": "0.03", "CONTACT_CHECK_GAP_S": "0.01"}
    with serving(tmp_path_factory.mktemp("site"), pace) as running:
        yield running


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an app whose manager does not answer."""
    folder = tmp_path_factory.mktemp("app") / "app"
    build_app(folder)
    (folder / ".env").write_text("APP_ENV=testing\nOPENWA_BASE_URL=http://127.0.0.1:9\nOPENWA_SESSION=acme\n")
    return folder


def texts(site: Site, session: str) -> list[tuple[str, str]]:
    return [(entry["chat_id"].removesuffix("@c.us"), entry["text"]) for entry in read_books(site.daemon, session)]


def test_every_class_is_where_composer_looks_for_it() -> None:
    for path in CLASSES:
        place = path.relative_to(PACKAGE / "src")
        namespace = "\\".join((NAMESPACE, *place.parts[:-1]))

        code = path.read_text()

        assert f"\nnamespace {namespace};\n" in code, path
        declared = re.findall(r"^(?:abstract |final )?(?:class|interface|trait) (\w+)", code, re.MULTILINE)
        assert declared == [path.stem]


def test_every_file_is_strict_and_of_php_8_0() -> None:
    newer = re.compile(r"\breadonly\b|^enum |\w\(\.\.\.\)|\): never\b", re.MULTILINE)

    lenient = [
        path.name for path in FILES if "declare(strict_types=1);" not in path.read_text() and path.parent.name != "bin"
    ]

    assert lenient == []
    assert [path.name for path in FILES if newer.search(path.read_text())] == []


@needs_php
def test_php_can_read_every_file() -> None:
    for path in FILES:
        subprocess.run(["php", "-l", str(path)], check=True, capture_output=True, timeout=20)


def test_what_composer_is_told_exists() -> None:
    told = json.loads((PACKAGE / "composer.json").read_text())
    laravel = told["extra"]["laravel"]

    assert told["autoload"]["psr-4"] == {f"{NAMESPACE}\\": "src/"}
    for name in (*laravel["providers"], *laravel["aliases"].values()):
        assert (PACKAGE / "src" / (name.removeprefix(f"{NAMESPACE}\\").replace("\\", "/") + ".php")).is_file()
    assert [(PACKAGE / path).is_file() for path in told["bin"]] == [True]
    used = {
        f"illuminate/{name.lower()}"
        for path in CLASSES
        for name in re.findall(r"use Illuminate\\(\w+)", path.read_text())
    }
    assert used - {"illuminate/foundation"} <= told["require"].keys()


@pytest.mark.skipif(shutil.which("composer") is None, reason="needs composer")
def test_composer_finds_no_fault_in_it() -> None:
    argv = ["composer", "validate", "--strict", "--no-interaction", str(PACKAGE / "composer.json")]
    environ = {
        "PATH": "/usr/bin:/bin",
        "COMPOSER_ALLOW_SUPERUSER": "1",
        "COMPOSER_DISABLE_NETWORK": "1",
        "HOME": "/nonexistent",
    }

    run = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False, timeout=30)

    assert run.returncode == 0, run.stdout + run.stderr


def test_every_type_of_event_has_a_class() -> None:
    code = (PACKAGE / "src/Events/EventClasses.php").read_text()
    known = dict(re.findall(r"'([\w.]+)' => (\w+)::class", code))
    written = {
        each for path in (ROOT / "openwa_manager").rglob("*.py") for each in _TYPES.findall(path.read_text("utf-8"))
    }
    passed = {each for each in EVENTS if matches_any(PASSED_THROUGH, each)}

    assert len(written) > 15
    assert written | passed <= known.keys()
    for event_type, name in known.items():
        said = (PACKAGE / f"src/Events/{name}.php").read_text()
        assert f"(`{event_type}`)" in said
        assert name == "".join(part.title() for part in re.split(r"[._]", event_type))


@needs_laravel
def test_a_chain_hands_over_each_message_in_order(site: Site) -> None:
    name = site.connect()
    code = f"""
        $session = OpenWa::session('{name}')->text('+85260001001', 'One', reference: 'one')
            ->document('+85260001002', 'http://127.0.0.1:9/gone.pdf', 'a.pdf')
            ->bulk([['to' => '+85260001003', 'text' => 'Three'], ['to' => '+85260001004', 'text' => 'Four']])
            ->bulk([['to' => '+85260001005', 'variables' => ['name' => 'Ann']]], ['text' => 'Hello {{{{name}}}}'])
            ->text('+85260001001', 'One', reference: 'one');
        return [$session->messages(), $session->batches(), $session->last()];"""

    messages, batches, last = json.loads(run_php(site.folder, code))
    expected = ["85260001001 One", "85260001003 Three", "85260001004 Four", "85260001005 Hello Ann"]
    eventually(lambda: len(texts(site, name)) == 4)

    assert [" ".join(each) for each in texts(site, name)] == expected
    assert [each["accepted"] for each in batches] == [2, 1]
    assert len(messages) == 3
    assert last["message_id"] == messages[0]["message_id"]
    kept = "select count(*) from openwa_messages where reference = 'one' and status in ('sent', 'delivered', 'read')"
    eventually(lambda: site.rows(kept) == [(1,)])


@needs_laravel
def test_every_event_is_heard_once_as_an_object_of_its_class(site: Site) -> None:
    name = site.connect()
    run_php(site.folder, f"OpenWa::session('{name}')->text('+85260001006', 'Heard', 'a name');")

    def heard_of() -> list[tuple[object, ...]]:
        return site.rows("SELECT class, says FROM told WHERE says LIKE ?", f"%{name}%")

    eventually(lambda: "MessageRead" in [kind for kind, _ in heard_of()])

    heard = heard_of()
    classes = [kind for kind, _ in heard]
    assert {"SessionStatus", "SessionConnected", "MessageSent", "MessageDelivered", "MessageRead"} <= set(classes)
    [read] = [json.loads(str(says)) for kind, says in heard if kind == "MessageRead"]
    assert (read["sessionId"], read["reference"], read["status"]) == (name, "a name", "read")
    assert read["messageId"].startswith("msg_")
    assert read["at"].endswith("Z")


@needs_laravel
def test_outside_production_everything_goes_to_one_number_and_the_log_says_so(site: Site) -> None:
    name = site.connect()
    code = f"""return OpenWa::session('{name}')->text('+85260001001', 'Debug')
        ->bulk([['to' => '+85260001002'], ['to' => '+85260001003']], ['text' => 'Bulk'])->batches();"""
    debugging = {"OPENWA_DEBUG_TO": "+85298765432"}

    batches = json.loads(run_php(site.folder, code, APP_ENV="local", **debugging))
    run_php(
        site.folder,
        f"OpenWa::session('{name}')->text('+85260001007', 'Production');",
        APP_ENV="production",
        **debugging,
    )
    eventually(lambda: len(texts(site, name)) == 3)

    assert texts(site, name) == [("85298765432", "Debug"), ("85298765432", "Bulk"), ("85260001007", "Production")]
    assert [each["code"] for each in batches[0]["rejected"]] == ["duplicate"]
    log = (site.folder / "storage/logs/laravel.log").read_text()
    assert "OPENWA_DEBUG_TO: what was for +85260001002, +85260001003 goes to +85298765432" in log
    assert "local.WARNING" in log


@needs_laravel
def test_a_stand_in_takes_messages_from_everywhere_and_sends_none(app: Path) -> None:
    code = """
        use OpenWaManager\\Laravel\\Exceptions\\{OpenWaTransientException, RateLimitedException};
        require_once 'PHPUnit/Autoload.php';
        $fake = OpenWa::fake();
        OpenWa::assertNothingSent();
        OpenWa::session()->text('+1', 'One', 'a name')->text('+1', 'One', 'a name');
        $people = [['to' => '+2', 'variables' => ['name' => 'Ann']]];
        OpenWa::session('other')->bulk($people, ['text' => 'Hello {{name}}']);
        app(OpenWaManager\\Laravel\\Services\\OpenWaService::class)->sendImage('acme', '+3', 'Look', 'https://a/b.png');
        OpenWa::assertSentCount(3);
        OpenWa::assertSent('+1', 1);
        OpenWa::assertSent(fn ($message) => $message->text === 'Hello Ann' && $message->sessionId === 'other');
        OpenWa::assertNotSent('+4');
        $faults = 0;
        $wrong = [['assertNothingSent'], ['assertSent', '+4'], ['assertSentCount', 2], ['assertNotSent', '+1']];
        foreach ($wrong as $call) {
            try {
                OpenWa::{$call[0]}(...array_slice($call, 1));
            } catch (PHPUnit\\Framework\\AssertionFailedError) {
                $faults++;
            }
        }
        $fake->failWith(new RateLimitedException('slow down', 429));
        try {
            OpenWa::session()->text('+5', 'Five');
        } catch (OpenWaTransientException $late) {
        }
        $sent = array_map(fn ($each) => trim("$each->kind $each->to $each->text $each->url"), OpenWa::sent());
        return [$sent, $faults, $late->status];"""
    if shutil.which("phpunit") is None:
        pytest.skip("needs phpunit")

    assert json.loads(run_php(app, code)) == [
        ["text +1 One", "text +2 Hello Ann", "image +3 Look https://a/b.png"],
        4,
        429,
    ]


@needs_laravel
def test_without_a_session_and_without_a_manager_it_is_said_what_is_wrong(app: Path) -> None:
    nameless, named, many, sessionless = [
        json.loads(run_php(app, code, **environ))
        for code, environ in (
            ("OpenWa::session()->text('+85260001001', 'Hello');", {}),
            ("OpenWa::session()->text('+85260001001', 'Hello', reference: 'a name');", {}),
            ("OpenWa::session()->bulk([['to' => '+85260001001', 'text' => 'Hello']]);", {}),
            ("OpenWa::session();", {"OPENWA_SESSION": ""}),
        )
    ]

    assert nameless["thrown"] == many["thrown"] == "OutcomeUnknownException"
    assert named["thrown"] == "NoAnswerException"
    assert sessionless == {
        "thrown": "InvalidArgumentException",
        "message": "Which session? Give its id, or set OPENWA_SESSION.",
    }


@needs_laravel
def test_tables_of_the_copied_example_become_the_packages(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    build_app(folder)
    code = """
        use Illuminate\\Support\\Facades\\{Artisan, DB, Schema};
        $campaign = ['user_id' => '7', 'session_id' => 'acme', 'name' => 'Old', 'template' => '{}'];
        DB::table('openwa_campaigns')->insert($campaign);
        DB::table('openwa_campaign_batches')->insert(['campaign_id' => 1, 'chunk' => 0, 'name' => 'campaign-1-0']);
        DB::table('migrations')->where('migration', 'like', '2026_12%')->delete();
        foreach (['disconnected_at', 'notified_at'] as $column) {
            DB::statement("ALTER TABLE openwa_sessions DROP COLUMN $column");
        }
        foreach (['campaigns', 'campaign_batches', 'campaign_messages'] as $name) {
            Schema::rename("openwa_$name", $name);
        }
        Artisan::call('migrate', ['--force' => true]);
        return OpenWaManager\\Laravel\\Models\\Campaign::first()->batches()->count();"""

    assert json.loads(run_php(folder, code)) == 1


@needs_laravel
def test_what_is_published_is_what_the_package_has(app: Path) -> None:
    published = run_php(
        app,
        """
        foreach (['config', 'migrations', 'bin'] as $tag) {
            Illuminate\\Support\\Facades\\Artisan::call("vendor:publish --tag=openwa-$tag");
        }
        return true;""",
    )

    assert published == "true"
    for name in (
        "config/openwa.php",
        "bin/manage-openwa.php",
        "database/migrations/2026_12_01_000000_keep_openwa_tables_apart.php",
    ):
        assert (app / name).read_text() == (PACKAGE / name).read_text()
    assert not (app / "routes/openwa.php").exists()
