"""Laravel."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.peers.daemon import eventually
from tests.examples.backend import PATH, SECRET
from tests.examples.books import read_books
from tests.examples.laravel_site import COMPOSER, HAS_COMPOSER, HAS_LARAVEL, artisan, lay_out, run_php
from tests.fakes.ports import free_ports
from tests.pages.blocks import ROOT, blocks_of
from tests.pages.world import NOTHING_RUNS, Place, World

PAGE = "openwa_manager/docs/laravel.md"
SESSION = "user_1_session_a"


def forget_packagist(top: Path) -> None:
    """Let Composer know no other place than those that the page names."""
    (top / "composer").mkdir()
    (top / "composer" / "config.json").write_text(json.dumps({"repositories": {"packagist.org": False}}))


def begin(place: Place) -> None:
    """Make the app that the reader has, with the page's code in it, and tell the daemon where it is."""
    if not (HAS_LARAVEL and HAS_COMPOSER):
        pytest.skip("needs the packages that test_laravel.py names, composer and phpunit")
    lay_out(place.work)
    write_files(place.work)
    (place.work / ".env").write_text(f"APP_ENV=local\nOPENWA_SESSION={SESSION}\n")
    port = free_ports(1)[0]
    serve = f"php -S 127.0.0.1:{port} public/index.php > server.log 2>&1 &"  # it ends with all of the page
    subprocess.run(["bash", "-c", serve], cwd=place.work, env=place.environ, check=True, timeout=10)
    (place.top / "port").write_text(str(port))
    assert place.daemon is not None
    endpoint = {"url": f"http://127.0.0.1:{port}{PATH}", "events": ["*"], "sessions": ["*"], "secret": SECRET}
    assert place.daemon.ask("POST", "/v1/endpoints", endpoint).status == 201


def write_files(folder: Path) -> None:
    """Write each block of PHP where its first line says."""
    for block in blocks_of(PAGE):
        if block.language == "php":
            name = block.code.splitlines()[0].removeprefix("// ")
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(f"<?php\n\n{block.code}")


def judge(place: Place) -> None:
    """Use the page's code as its reader would, and look what came of it at the phones and in the app."""
    folder, url, daemon = place.work, f"http://127.0.0.1:{(place.top / 'port').read_text()}", place.daemon
    assert daemon is not None
    subprocess.run(["curl", "-sSf", f"{url}/ship/42"], check=True, timeout=20, capture_output=True)
    shipped = (
        "Notification::send(new App\\Models\\User(['phone' => '+85212345671']), new App\\Notifications\\OrderShipped);"
    )
    run_php(folder, f"use Illuminate\\Support\\Facades\\Notification; {shipped}")
    artisan(folder, "app:autumn")
    artisan(folder, "schedule:run")
    expected = ["Order 42 is on its way.", "It is on its way.", "Hello Ann, we have moved."]
    eventually(lambda: not {*expected} - {entry["text"] for entry in read_books(daemon, SESSION)}, within_s=20)
    log = folder / "storage/logs/laravel.log"
    eventually(lambda: log.exists() and "order-42 was delivered to +85212345678" in log.read_text(), within_s=20)

    argv = ["phpunit", "--bootstrap", "vendor/autoload.php", "tests/Feature"]
    tests = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=50, check=False)
    assert "OK (1 test, 3 assertions)" in tests.stdout, tests.stdout
    events = [post_twice(f"{url}{prefix}{PATH}") for prefix in ("", "/api")]
    assert events == [[401, 401], [401, 401]]  # not signed; and not 429, as throttle:api would answer the second


def post_twice(url: str) -> list[int]:
    """Post something that nobody signed, and return what is answered."""
    argv = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", url]
    return [int(subprocess.run(argv, check=True, timeout=20, capture_output=True, text=True).stdout) for _ in range(2)]


WORLDS: dict[str, World] = {
    "examples/laravel/README.md": NOTHING_RUNS,
    "openwa_manager/docs/guide.md": NOTHING_RUNS,
    PAGE: World(
        prepare=forget_packagist,
        begin=begin,
        is_slow=True,
        judge=judge,
        settings={"ALLOW_PRIVATE_ENDPOINTS": "true", "CONTACT_CHECK_GAP_S": "0.01"},
        environ={"COMPOSER_HOME": "{top}/composer", **COMPOSER},
        replaced={
            "~/openwa-manager": str(ROOT),
            "--base-url https://manager.example.com": "--base-url http://127.0.0.1:{port} >> .env",
            'whsec_$(openssl rand -base64 32)"': f'{SECRET}" >> .env',
        },
        used_by={"php": "tests/pages/worlds/laravel.py"},
    ),
}
PENDING: dict[str, str] = {}
