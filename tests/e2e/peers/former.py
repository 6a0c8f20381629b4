"""A home as version 0.1 or 0.2 leaves it, and engines that listen on ports and were launched by another daemon."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from openwa_manager.processes.reading.identity import identity_of
from openwa_manager.store.migrations import migrate, shipped
from tests.e2e.peers.daemon import eventually
from tests.fakes.ports import free_ports, is_free

_LAST_MIGRATION = 2
_KEY = "owk_0123456789abcdef0123456789abcdef"
#: Columns as 0.1 wrote them: a reason without facts, and every field of the restarts.
_REASON = '{"code": "network", "detail": "no sign of life for 120 s", "at": 1700000000.0}'
_RESTARTS = json.dumps(
    {
        "count": 2,
        "streak": 0,
        "crashed_at": [1.7e9],
        "last_reason": "engine_exited",
        "next_at": None,
        "is_slow": False,
        "link_restarted": False,
    }
)
#: Takes the lock under a low descriptor, and hands it on to the engine that takes its place.
_LOCKED = """
import fcntl, os, sys
lock = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR)
fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
os.truncate(lock, 0)
os.write(lock, sys.argv[2].encode())
os.dup2(lock, 9, inheritable=True)
os.execv(sys.executable, [sys.executable, "-m", "openwa_manager.simulator"])
"""


def leave_running(home: Path, names: Sequence[str]) -> dict[str, int]:
    """Make a home of these sessions, each with a running engine, as version 0.2 leaves it; return session → PID."""
    for directory in (home, home / "run", home / "locks", home / "copies", home / "sessions"):
        directory.mkdir(mode=0o700)
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    with closing(sqlite3.connect(home / "manager.db", isolation_level=None)) as connection:
        migrate(connection, [each for each in shipped() if each.number <= _LAST_MIGRATION])
        pids = {name: _launch(connection, home, name, port) for name, port in ports.items()}
    (home / "manager.db").chmod(0o600)
    for port in ports.values():
        eventually(lambda: not is_free(port), within_s=60)  # noqa: B023 called at once
    return pids


def _launch(connection: sqlite3.Connection, home: Path, name: str, port: int) -> int:
    launch_id, secret = os.urandom(16).hex(), os.urandom(16).hex()
    own = {"PORT": str(port), "OPENWA_MANAGER_LAUNCH_ID": launch_id}
    pid = start_engine(home / "sessions" / name, home / "locks" / f"{name}.lock", own)
    identity = identity_of(pid)
    assert identity is not None
    connection.execute(
        "INSERT INTO session (session_id, user_id, engine, labels, env, engine_key, desired, process, link, reason,"
        " launch_id, launch_count, qr_seq, qr_attempts, restarts, phone_number, event_seq, created_at, updated_at,"
        " started_at, connected_at, last_connected_at, last_seen_at)"
        " VALUES (?, '1', 'simulator', '{\"team\": \"sales\"}', '{}', ?, 'running', 'running', 'disconnected', ?,"
        " ?, 3, 4, 0, ?, '628111', 9, 1.7e9, 1.7e9, 1.7e9, NULL, 1.7e9, 1.7e9)",
        (name, _KEY, _REASON, launch_id, _RESTARTS),
    )
    connection.execute(
        "INSERT INTO launch (launch_id, session_id, number, port, secret, cause, launched_at, boot_id, pid, started)"
        " VALUES (?, ?, 3, ?, ?, 'requested', 1.7e9, ?, ?, ?)",
        (launch_id, name, port, secret, identity.boot_id, pid, identity.started),
    )
    return pid


def start_engine(directory: Path, lock: Path, own: Mapping[str, str], written: str = "") -> int:
    """Start a simulator in a session's directory as a daemon of version 0.2 does: it holds this lock; return its PID.

    `own` is added to its environment; `written` goes into the lock, as from version 0.3 on.
    """
    (directory / "logs").mkdir(parents=True, exist_ok=True)
    environ = {
        "PATH": os.environ["PATH"],
        "API_MASTER_KEY": _KEY,
        "SSRF_ALLOWED_HOSTS": "127.0.0.1",
        "SHUTDOWN_DELAY_MS": "0",
        "SIM_AUTO_SCAN_S": "0.1",
        "SIM_QR_DELAY_S": "0.05",
    }
    with (directory / "logs" / "engine.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _LOCKED, str(lock), written],
            cwd=directory,
            env={**environ, **own, "PYTHONPATH": str(Path(__file__).parents[3])},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    process.returncode = 0  # nobody of this test run waits for it
    return process.pid
