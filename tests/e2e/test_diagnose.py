"""The bundle of `diagnose`: what helps is in it, and none of the secrets that were planted wherever one may stand."""

import base64
import json
import os
import secrets
import signal
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.peers.daemon import Daemon, eventually
from tests.e2e.secrets.marks import Marks

Serve = Callable[..., Daemon]

SESSION, NUMBER, SENDER = "user_1_session_a", "85212349876", "85298761234"
SENT, RECEIVED = "Canary in a text that is sent", "Canary in a text that came"
OTHER = "canary_of_another_session"
UPSTREAM_SECRET, ENGINE_ENV = "canary-of-the-upstream-4711", "Canary of the engine env 4712"
#: How engines, libraries and people print things; each secret is printed in each of these ways.
PRINTED = (
    '{{"level":"info","context":"Baileys","message":"{0}"}}',
    '{{"text":"{0}","to":"x"}}',
    "2026-11-30 10:00:00 [Nest] LOG text: {0}",
    "WEBHOOK_SECRET={0}",
    "sending '{0}' to somebody",
    '    at Object.<anonymous> ("{0}")',
)


@pytest.fixture
def daemon(serve: Serve) -> Daemon:
    settings = {
        "UPSTREAM_URL": "http://127.0.0.1:9/hook/canary_of_another_session?token=canary0of0the0query",
        "UPSTREAM_SECRET": UPSTREAM_SECRET,
        "MESSAGE_GAP_MIN_S": "0",
    }
    env = {"SIM_AUTO_SCAN_S": "0.1", "SIM_QR_DELAY_S": "0.05", "CANARY": ENGINE_ENV}
    return serve(engine_env=env, settings=settings)


def diagnose(daemon: Daemon, place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    place.mkdir(exist_ok=True)
    return subprocess.run(
        (sys.executable, "-m", "openwa_manager", "--home", str(daemon.home), "diagnose", SESSION, *words),
        env={"PATH": os.environ["PATH"], "HOME": str(daemon.home)},
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def planted(daemon: Daemon) -> Marks:
    """Have a session live through everything that is secret, and its engine print it."""
    marks = Marks()
    for name, value in (
        *(("text", SENT), ("received", RECEIVED), ("number", NUMBER), ("sender", SENDER)),
        *(("upstream secret", UPSTREAM_SECRET), ("engine env", ENGINE_ENV), ("query", "canary0of0the0query")),
        *(("admin key", daemon.key), ("webhook secret", "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())),
        *(("pairing code", "K7QD-X2PM"), ("label", "Canary the customer"), ("env value", "canary-env-4713")),
        *(("code", "2@" + base64.b64encode(secrets.token_bytes(90)).decode()), ("token", secrets.token_hex(20))),
    ):
        marks.add(name, value)
    marks.add("other session", OTHER)
    daemon.create(OTHER)
    daemon.create(SESSION, labels={"customer": "Canary the customer"}, env={"SIM_CANARY": "canary-env-4713"})
    daemon.until(SESSION, "connected")
    daemon.ask("POST", f"/v1/sessions/{SESSION}/messages", {"to": f"+{NUMBER}", "text": SENT})
    daemon.ask(
        "POST", f"/v1/sessions/{SESSION}/messages", {"to": f"+{NUMBER}", "image_url": "https://a.invalid/x?sig=1"}
    )
    daemon.steer(SESSION, f"receive?from={SENDER}&text={RECEIVED.replace(' ', '%20')}")
    eventually(lambda: RECEIVED.encode() in daemon.ask("GET", f"/v1/sessions/{SESSION}/events?tail=100").raw)
    log = daemon.home / "sessions" / SESSION / "logs" / "engine.log"
    with log.open("a", encoding="utf-8") as printed:
        for value in marks.values.values():
            printed.writelines(f"{form.format(value)}\n" for form in PRINTED)
        printed.write(f"{NUMBER}@s.whatsapp.net wrote to +852 1234 9876 by {NUMBER}, key {daemon.key}\n")
        printed.write("Error: connect ECONNREFUSED 127.0.0.1:5432\n")
    crash(daemon)
    return marks


def crash(daemon: Daemon) -> None:
    """End the engine as a crash does: the daemon keeps the end of its log, and starts it again."""
    os.kill(daemon.registry()[SESSION], signal.SIGKILL)
    eventually(lambda: b"ECONNREFUSED" in daemon.ask("GET", f"/v1/sessions/{SESSION}/why?limit=200").raw)
    daemon.until(SESSION, "connected")


def test_nothing_secret_is_in_the_bundle_and_what_helps_is(daemon: Daemon, tmp_path: Path) -> None:
    marks = planted(daemon)

    done = diagnose(daemon, tmp_path / "here")

    assert done.returncode == 0, done.stderr
    path = tmp_path / "here" / f"openwa-manager-{SESSION}.tar.gz"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with tarfile.open(path) as bundle:
        members = {each.name.removeprefix("diagnosis/"): read(bundle, each) for each in bundle.getmembers()}
    assert marks.found_in_all({**members, "printed": done.stdout.encode() + done.stderr.encode()}) == set()
    assert b"ECONNREFUSED 127.0.0.1:5432" in members["engine.log"]
    assert json.loads(members["session.json"])["status"] == "connected"
    assert json.loads(members["why.json"])["steps"]
    assert {each["type"] for each in json.loads(members["events.json"])} >= {"session.connected", "message.received"}
    assert json.loads(members["config.json"])["engine"]["value"] == "simulator"
    assert "well" in members["doctor.json"].decode()
    assert {"versions.json", "system.json", "health.json", "queue.json", "host.json"} <= members.keys()
    assert all(json.loads(members[name]) for name in members if name.endswith(".json") and name != "deliveries.json")


def read(bundle: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = bundle.extractfile(member)
    assert file is not None
    return file.read()


def test_a_bundle_replaces_no_file_and_follows_no_link(daemon: Daemon, tmp_path: Path) -> None:
    daemon.create(SESSION)
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("mine")
    link.symlink_to(tmp_path / "elsewhere")

    over, through = (diagnose(daemon, tmp_path, "--output", str(each)) for each in (target, link))

    assert (over.returncode, through.returncode) == (1, 1)
    assert "name another with --output" in over.stderr
    assert target.read_text() == "mine"
    assert not (tmp_path / "elsewhere").exists()


def test_a_bundle_that_cannot_be_written_whole_is_taken_away(daemon: Daemon, tmp_path: Path) -> None:
    daemon.create(SESSION)
    words = "-m", "openwa_manager", "--home", str(daemon.home), "diagnose", SESSION, "--output", str(tmp_path / "file")
    limited = "import resource, signal, sys, runpy; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    limited += (
        "resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700)); runpy.run_module('openwa_manager', run_name='__main__')"
    )
    environ = {"PATH": os.environ["PATH"], "HOME": str(daemon.home)}
    command = (sys.executable, "-c", limited, *words[2:])

    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 1, done.stderr
    assert "cannot be written" in done.stderr
    assert not (tmp_path / "file").exists()


def test_a_session_that_is_not_there_leaves_no_file(daemon: Daemon, tmp_path: Path) -> None:
    done = diagnose(daemon, tmp_path / "here")

    assert done.returncode == 3
    assert list((tmp_path / "here").iterdir()) == []


def test_a_log_without_end_is_cut(daemon: Daemon, tmp_path: Path) -> None:
    daemon.create(SESSION, desired="stopped")
    log = daemon.home / "sessions" / SESSION / "logs" / "engine.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as printed:
        for _ in range(100):
            printed.write(os.urandom(65_536).hex().encode() + b"\n")

    done = diagnose(daemon, tmp_path / "here")

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "here" / f"openwa-manager-{SESSION}.tar.gz").stat().st_size < 2 << 20
