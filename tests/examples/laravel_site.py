"""The Laravel example inside a bare Laravel, served by PHP, with a real daemon that tells it everything."""

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import Daemon
from tests.examples.backend import EXAMPLES, SECRET, Backend
from tests.fakes.ports import free_ports

LIBRARIES = [Path("/usr/share/php") / name / "autoload.php" for name in ("Illuminate", "GuzzleHttp")]
HAS_LARAVEL = shutil.which("php") is not None and all(library.exists() for library in LIBRARIES)


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
        headers = {"X-Test-User": user, "Accept": "application/json"}
        raw = None if body is None else json.dumps(body).encode()
        status, answer = self.backend.ask(method, f"/openwa/sessions{path}", raw, headers)
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

    def check_health(self) -> None:
        """Do what cron does every minute."""
        artisan(self.folder, "schedule:run")


@contextmanager
def serving(tmp_path: Path, **settings: str) -> Iterator[Site]:
    """Run app and daemon until left."""
    folder, port = tmp_path / "app", free_ports(1)[0]
    build_app(folder)
    backend = Backend(["php", "-S", f"127.0.0.1:{port}", "public/index.php"], port, folder)
    with Daemon(home=tmp_path / "home", settings={**backend.settings, **settings}) as daemon:
        configure(folder, daemon)
        with backend:
            yield Site(folder, backend, daemon)


def build_app(folder: Path) -> None:
    """Lay the example over a bare Laravel, as a reader does, and make its tables."""
    shutil.copytree(Path(__file__).parent / "laravel", folder)
    shutil.copytree(EXAMPLES / "laravel", folder, dirs_exist_ok=True)
    for name in ("storage/logs", "storage/framework/cache/data", "storage/framework/views", "bootstrap/cache"):
        (folder / name).mkdir(parents=True)
    (folder / "database" / "database.sqlite").touch()
    artisan(folder, "migrate", "--force")


def configure(folder: Path, daemon: Daemon) -> None:
    """Tell the app where its daemon is and what they share."""
    key = (daemon.home / "admin.key").read_text().strip()
    url = f"http://127.0.0.1:{daemon.port}"
    (folder / ".env").write_text(f"OPENWA_BASE_URL={url}\nOPENWA_API_KEY={key}\nOPENWA_WEBHOOK_SECRET={SECRET}\n")


def artisan(folder: Path, *words: str) -> str:
    """Run one of Laravel's commands and return what it printed."""
    argv, environ = ["php", "artisan", *words], {"PATH": os.environ["PATH"]}
    run = subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True, timeout=50, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout
