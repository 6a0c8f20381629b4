"""The lines of PHP that pages show, in a Laravel whose `routes/api.php` is as its skeleton makes it."""

import hashlib
import hmac
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.delivery import Endpoint
from openwa_manager.domain.delivery.events import EndpointId
from openwa_manager.host.clock import SystemClock
from openwa_manager.webhooks.signing import signature_headers
from tests.e2e.peers.daemon import SCANNED, Daemon, eventually
from tests.examples.backend import SECRET, Backend
from tests.examples.laravel_site import HAS_LARAVEL
from tests.fakes.ports import free_ports
from tests.pages.blocks import blocks_of, text_of

needs_laravel = pytest.mark.skipif(not HAS_LARAVEL, reason="needs PHP with Laravel: Debian's php-laravel-framework")
needs_php = pytest.mark.skipif(shutil.which("php") is None, reason="needs php")

BACKEND_PAGE = "openwa_manager/docs/backend.md"
SESSION = "user_1_session_a"
WEBHOOK = "/api/webhooks/openwa"
#: How the file begins that Laravel makes.
SKELETON = """<?php

use Illuminate\\Http\\Request;
use Illuminate\\Support\\Facades\\Route;

"""
#: More than this app lets one address ask in a minute.
MANY = 7


def php_of(page: str) -> list[str]:
    return [block.code for block in blocks_of(page) if block.language == "php"]


def services() -> str:
    """Return `config/services.php` as a comment of the README says it."""
    (block,) = php_of("README.md")
    comment = re.search(r"^// config/services\.php: (.*\n(?:// {2,}.*\n)*)", block, re.MULTILINE)
    assert comment is not None
    return "<?php\nreturn [" + re.sub(r"^//", "", comment[1], flags=re.MULTILINE) + "];\n"


def write_app(folder: Path, routes: str) -> Backend:
    """Lay out the app and return it as a backend that is not started."""
    shutil.copytree(Path(__file__).parent / "laravel", folder)
    for name in (
        "routes",
        "storage/logs",
        "storage/framework/cache/data",
        "storage/framework/views",
        "bootstrap/cache",
    ):
        (folder / name).mkdir(parents=True)
    (folder / "config" / "services.php").write_text(services())
    (folder / "routes" / "api.php").write_text(SKELETON + routes)
    (folder / "database").mkdir()
    with closing(sqlite3.connect(folder / "database" / "database.sqlite")) as database, database:
        database.execute("CREATE TABLE openwa_events (id TEXT PRIMARY KEY)")
    port = free_ports(1)[0]
    return Backend(["php", "-S", f"127.0.0.1:{port}", "public/index.php"], port, folder)


@contextmanager
def running(tmp_path: Path, routes: str) -> Iterator[tuple[Backend, Daemon]]:
    """Run the app, with its key made as the README says, and a daemon with one connected session that posts to it."""
    app = write_app(tmp_path / "app", routes)
    settings = {"UPSTREAM_URL": f"http://127.0.0.1:{app.port}{WEBHOOK}", "UPSTREAM_SECRET": SECRET}
    with Daemon(home=tmp_path / "home", settings=settings, engine_env=SCANNED) as daemon:
        (made,) = re.findall(
            r"^openwa-manager (keys create .*) --session '(.*)' --env$", text_of("README.md"), re.MULTILINE
        )
        argv = [sys.executable, "-m", "openwa_manager", *made[0].split(), "--session", made[1], "--env"]
        environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "OPENWA_MANAGER_HOME": str(daemon.home)}
        lines = subprocess.run(argv, env=environ, capture_output=True, text=True, check=True, timeout=60).stdout
        (app.folder / ".env").write_text(f"{lines}OPENWA_WEBHOOK_SECRET={SECRET}\n")
        with app:
            daemon.create(SESSION)
            daemon.until(SESSION, "connected")
            yield app, daemon


def post(app: Backend, body: bytes, signature: str | None = None) -> int:
    signed = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return app.ask("POST", WEBHOOK, body, {"X-OpenWA-Signature": signature or signed})[0]


@needs_laravel
def test_the_twenty_lines_of_the_readme_send_a_message_and_hear_what_became_of_it(tmp_path: Path) -> None:
    (routes,) = php_of("README.md")
    assert len(routes.splitlines()) <= 20

    with running(tmp_path, routes) as (app, _):
        order = json.dumps({"to": "+85212345678", "text": "Hello", "order": "order-17"}).encode()
        status, answer = app.ask("POST", "/api/whatsapp", order, {"X-Test-User": "1", "Accept": "application/json"})
        assert (status, json.loads(answer)["status"]) == (200, "queued")
        plain = json.dumps({"to": "+85212345679", "text": "Hello"}).encode()
        assert app.ask("POST", "/api/whatsapp", plain, {"X-Test-User": "1"})[0] == 200
        log = app.folder / "storage" / "logs" / "laravel.log"
        told = '"type":"message.sent","session_id":"user_1_session_a","reference":"order-17","status":"sent"'
        eventually(lambda: told in log.read_text())
        assert '"type":"session.qr"' in log.read_text()
        assert "qr_base64" not in log.read_text()
        assert post(app, b"{}", "sha256=" + "0" * 64) == 401
        # An unset secret opens nothing, and Laravel's limit for routes/api.php does not hold for events.
        assert {post(app, b'{"type": "x"}') for _ in range(MANY)} == {204}
        assert {app.ask("POST", "/api/whatsapp", order)[0] for _ in range(MANY)} == {401, 429}
        (app.folder / ".env").write_text("")
        nobody = "sha256=" + hmac.new(b"", b"{}", hashlib.sha256).hexdigest()
        assert post(app, b"{}", nobody) == 401


@needs_laravel
def test_the_route_of_the_page_about_backends_takes_each_event_once(tmp_path: Path) -> None:
    with running(tmp_path, "\n".join(php_of(BACKEND_PAGE))) as (app, daemon):
        seen = daemon.ask("GET", f"/v1/sessions/{SESSION}/events").body["events"]
        assert isinstance(seen, list)
        ids = {event["id"] for event in seen if event["type"] == "session.connected"}
        eventually(lambda: ids <= stored(app))
        assert daemon.ask("POST", "/v1/deliveries/replay", {"session_id": SESSION}).body["count"]
        eventually(lambda: not daemon.ask("GET", "/v1/deliveries?state=pending").body["deliveries"])
        assert not daemon.ask("GET", "/v1/deliveries?state=dead").body["deliveries"]
        assert daemon.ask("POST", "/v1/endpoints/default/test").body["status"] == 204
        assert post(app, b"{}") == 401


def stored(app: Backend) -> set[str]:
    with closing(sqlite3.connect(app.folder / "database" / "database.sqlite", timeout=10)) as database:
        return {str(row[0]) for row in database.execute("SELECT id FROM openwa_events")}


@pytest.fixture
def is_signed(tmp_path: Path) -> Callable[..., bool]:
    """Give the page's function."""
    script = tmp_path / "check.php"
    ask = "[$body, $headers, $secrets] = json_decode(stream_get_contents(STDIN), true);"
    script.write_text(
        f"<?php\n{php_of(BACKEND_PAGE)[0]}\n{ask}\necho json_encode(isSigned($body, $headers, $secrets));"
    )

    def is_signed(body: str, headers: dict[str, str], secrets: list[str | None]) -> bool:
        asked = json.dumps([body, headers, secrets])
        said = subprocess.run(["php", script], input=asked, capture_output=True, text=True, check=True, timeout=30)
        assert said.stdout in ("true", "false"), said.stdout
        return said.stdout == "true"

    return is_signed


@needs_php
@pytest.mark.parametrize("secret", [SECRET, "plain words"])
def test_the_pages_check_holds_for_every_secret_through_a_change_of_it(
    is_signed: Callable[..., bool], secret: str
) -> None:
    now = SystemClock().now().at
    before = Endpoint(endpoint_id=EndpointId("e"), url="http://x", secret=secret, created_at=now, updated_at=now)
    during = replace(before, secret="another", previous_secret=secret, rotated_at=now)
    headers = signature_headers(before, "evt_1", now, b"{}")
    both = signature_headers(during, "evt_1", now, b"{}")
    old = signature_headers(before, "evt_1", now - 400, b"{}")

    assert is_signed("{}", headers, [secret])
    assert is_signed("{}", headers, ["another", secret])
    assert is_signed("{}", both, [secret])
    assert is_signed("{}", both, ["another"])
    assert not is_signed("{}", headers, ["another"])
    assert not is_signed("{} ", headers, [secret])
    assert not is_signed("{}", old, [secret])
    assert not is_signed("{}", {}, [secret])
    assert not is_signed("{}", signature_headers(replace(before, secret=""), "evt_1", now, b"{}"), ["", None])
