"""The Laravel example inside a bare Laravel, served by PHP, with a real daemon that tells it everything."""

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import Daemon, eventually
from tests.examples.backend import EXAMPLES, SECRET, Backend
from tests.fakes.file_server import PNG
from tests.fakes.ports import free_ports

LIBRARIES = [Path("/usr/share/php") / name / "autoload.php" for name in ("Illuminate", "GuzzleHttp")]
PACKAGE = EXAMPLES / "laravel"
#: Names of Composer's own, so that it asks nobody.
COMPOSER = {"COMPOSER_ALLOW_SUPERUSER": "1", "COMPOSER_DISABLE_NETWORK": "1", "COMPOSER_NO_INTERACTION": "1"}
HAS_COMPOSER = shutil.which("composer") is not None and shutil.which("phpunit") is not None
HAS_LARAVEL = shutil.which("php") is not None and all(library.exists() for library in LIBRARIES)


#: Quick sends, and files that lie on this machine may be sent.
ENGINE_ENV = {"SIMULATE_TYPING": "false", "SSRF_ALLOWED_HOSTS": "127.0.0.1"}


class Reply(NamedTuple):
    """What the app answered."""

    status: int
    body: dict[str, Json]


@dataclass
class Site:
    """The app, who serves it, and the daemon; `folder` is the app's."""

    folder: Path
    backend: Backend
    daemon: Daemon

    def ask(self, method: str, path: str, body: Mapping[str, Json] | None = None, user: str = "7") -> Reply:
        """Do something as a logged-in user."""
        return self.ask_app(method, f"/openwa/sessions{path}", body, user)

    def ask_app(self, method: str, path: str, body: Mapping[str, Json] | None = None, user: str = "7") -> Reply:
        """Call any page of the app as a logged-in user."""
        headers = {"X-Test-User": user, "Accept": "application/json"}
        raw = None if body is None else json.dumps(body).encode()
        status, answer = self.backend.ask(method, path, raw, headers)
        return Reply(status, json.loads(answer or b"{}"))

    def rows(self, sql: str, *values: str) -> list[tuple[object, ...]]:
        """Run a statement in the app's database."""
        with closing(sqlite3.connect(self.folder / "database" / "database.sqlite", timeout=10)) as database, database:
            return database.execute(sql, values).fetchall()

    def has_status(self, session_id: str, status: str) -> bool:
        """Tell whether the app shows the session so."""
        return self.rows("SELECT status FROM openwa_sessions WHERE session_id = ?", session_id) == [(status,)]

    def fall_silent(self, session_id: str) -> None:
        """Let the app believe that a connected session has not been heard of for a year."""
        self.rows(
            "UPDATE openwa_sessions SET status = 'connected', last_heartbeat_at = '2025-01-01' WHERE session_id = ?",
            session_id,
        )

    def run_cron(self) -> None:
        """Do what cron does every minute."""
        artisan(self.folder, "schedule:run")

    def connect(self) -> str:
        """Return a new session of user 7 once the app knows that it is connected."""
        name = str(self.ask("POST", "", {}).body["session_id"])
        self.daemon.steer(name, "scan")
        eventually(lambda: self.has_status(name, "connected"))
        return name


@contextmanager
def serving(tmp_path: Path, settings: Mapping[str, str], *, example: Path = PACKAGE) -> Iterator[Site]:
    """Run app and daemon, with these settings, until left."""
    folder, backend = _build(tmp_path, example)
    with Daemon(home=tmp_path / "home", settings={**backend.settings, **settings}, engine_env=ENGINE_ENV) as daemon:
        configure(folder, daemon)
        with backend:
            yield Site(folder, backend, daemon)


@contextmanager
def serving_alone(tmp_path: Path) -> Iterator[Site]:
    """Run the app until left, with a daemon that is never started: what it would post is posted by the test."""
    folder, backend = _build(tmp_path, PACKAGE)
    nobody = f"http://127.0.0.1:{free_ports(1)[0]}"
    (folder / ".env").write_text(f"OPENWA_BASE_URL={nobody}\nOPENWA_WEBHOOK_SECRET={SECRET}\nOPENWA_PAGES=true\n")
    with backend:
        yield Site(folder, backend, Daemon(home=tmp_path / "home"))


def _build(tmp_path: Path, example: Path) -> tuple[Path, Backend]:
    folder, port = tmp_path / "app", free_ports(1)[0]
    build_app(folder, example)
    return folder, Backend(["php", "-S", f"127.0.0.1:{port}", "public/index.php"], port, folder)


def lay_out(folder: Path) -> None:
    """Make a bare Laravel, without the package and without a folder `vendor`."""
    shutil.copytree(Path(__file__).parent / "laravel", folder, dirs_exist_ok=True)
    for name in ("storage/logs", "storage/framework/cache/data", "storage/framework/views", "bootstrap/cache"):
        (folder / name).mkdir(parents=True)
    (folder / "database" / "database.sqlite").touch()


def build_app(folder: Path, example: Path = PACKAGE) -> None:
    """Make a bare Laravel with the package in it as Composer would leave it, or with an example laid over it."""
    lay_out(folder)
    (folder / "vendor" / "composer").mkdir(parents=True)
    (folder / "vendor" / "autoload.php").write_text("<?php\n\nrequire __DIR__.'/../bootstrap/libraries.php';\n")
    if example == PACKAGE:
        (folder / "vendor" / "openwa-manager").mkdir()
        (folder / "vendor" / "openwa-manager" / "laravel").symlink_to(PACKAGE)
        found = {"packages": [json.loads((PACKAGE / "composer.json").read_text())]}
        (folder / "vendor" / "composer" / "installed.json").write_text(json.dumps(found))
    else:
        shutil.copytree(example, folder, dirs_exist_ok=True)
    artisan(folder, "migrate", "--force")


def configure(folder: Path, daemon: Daemon, **more: str) -> None:
    """Tell the app where its daemon is and what they share."""
    settings = {
        "OPENWA_BASE_URL": f"http://127.0.0.1:{daemon.port}",
        "OPENWA_API_KEY": (daemon.home / "admin.key").read_text().strip(),
        "OPENWA_WEBHOOK_SECRET": SECRET,
        "OPENWA_PAGES": "true",
        **more,
    }
    (folder / ".env").write_text("".join(f'{name}="{value}"\n' for name, value in settings.items()))


def artisan(folder: Path, *words: str, code: int = 0) -> str:
    """Run one of Laravel's commands, which must end with this code, and return what it printed."""
    argv, environ = ["php", "artisan", *words], {"PATH": os.environ["PATH"]}
    run = subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True, timeout=50, check=False)
    assert run.returncode == code, run.stdout + run.stderr
    return run.stdout


def run_php(folder: Path, code: str, **environ: str) -> str:
    """Run code within the app and return what it returns, as JSON; what it throws is `{thrown, message}`."""
    argv = ["php", "run.php", "use OpenWaManager\\Laravel\\Facades\\OpenWa;\n" + code]
    environ = {"PATH": os.environ["PATH"], **environ}
    run = subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True, timeout=50, check=True)
    return run.stdout.splitlines()[-1]


@contextmanager
def one_picture() -> Iterator[str]:
    """Serve a picture until left, and return its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Picture) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/picture.png"
        server.shutdown()


class _Picture(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/picture.png" else 404)
        self.end_headers()
        self.wfile.write(PNG)

    def log_message(self, *_: object) -> None:
        """Log nothing."""
