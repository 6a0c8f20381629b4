"""Where the secrets of one daemon are looked for, and which of those places are meant to hold which."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from tests.e2e.peers.daemon import Daemon, engines_below
from tests.e2e.secrets.marks import Marks
from tests.e2e.secrets.story import Answered

_NUMBERS: Final = frozenset({"number"})
_WAITING: Final = frozenset(
    {"text that waits", "text that was refused", "caption that was sent", "text by the gateway"}  # the last is unknown
)

#: Columns that hold a secret, and why there is no way without.
COLUMNS: Final[Mapping[str, frozenset[str]]] = {
    # Each post is signed with it, so it must be known as it is.
    "endpoint.secret": frozenset({"endpoint secret", "upstream secret"}),
    "endpoint.previous_secret": frozenset({"endpoint secret"}),  # both sign for a day
    "user_webhook.secret": frozenset({"webhook secret"}),
    "user_webhook.relay_secret": frozenset({"relay secret"}),  # the engine's posts are checked with it
    "launch.secret": frozenset({"launch secret"}),
    "session.engine_key": frozenset({"engine key"}),  # calls to the engine carry it, also those of the next daemon
    "session.env": frozenset({"env value"}),  # the next launch needs it
    "session.proxy_url": frozenset({"proxy password"}),
    # What waits is sent later; what was refused may be sent again by `resend` for seven days.
    "message.body": _WAITING,
    # To whom is written, and who is not: the queue is made of it.
    **dict.fromkeys(
        (
            *("message.recipient", "message.chat_id", "contact.chat_id", "number_check.digits"),
            *("number_check.chat_id", "suppression.name"),
        ),
        _NUMBERS,
    ),
    # The same key again is the same message: it is compared, and a caller's own word, no secret of ours.
    "idempotency.key": frozenset({"idempotency key"}),
    # Events wait here for their receivers; a received text is one.
    "event.data": frozenset({"number", "received text"}),
}

#: Answers that are meant to show something.
ANSWERS: Final[Mapping[str, frozenset[str]]] = {
    # The one time that each is shown.
    "POST /v1/keys": frozenset({"viewer key", "sender key", "gone key", "turned key"}),
    "POST /v1/keys/{key_id}/rotate": frozenset({"turned key"}),
    "POST /v1/endpoints": frozenset({"endpoint secret"}),
    "POST /v1/endpoints/{endpoint_id}/rotate-secret": frozenset({"endpoint secret"}),
    "POST /v1/sessions/{session_id}/pairing-links": frozenset({"pairing token"}),
    "POST /pair/{token}": frozenset({"pairing cookie"}),
    # A code, to whom asked for it with the right `qr`.
    "GET /v1/sessions/{session_id}/qr": frozenset({"code's image"}),
    "GET /api/sessions/{id}/qr": frozenset({"code's image"}),
    "POST /v1/sessions/{session_id}/pairing-code": frozenset({"pairing code"}),
    "POST /api/sessions/{id}/pairing-code": frozenset({"pairing code"}),
    "POST /pair/{token}/code": frozenset({"pairing code"}),
    # To whom a message goes and went, and the contact that is asked about.
    "POST /v1/sessions/{session_id}/messages": _NUMBERS,
    "GET /v1/sessions/{session_id}/messages": _NUMBERS,
    "POST /v1/sessions/{session_id}/contacts/check": _NUMBERS,
    "GET /api/sessions/{id}/contacts/check/{number}": _NUMBERS,
    "POST /v1/users/{user_id}/suppressions": _NUMBERS,
    "GET /v1/users/{user_id}/suppressions": _NUMBERS,
    "GET /v1/users/{user_id}/suppressions/{to}": _NUMBERS,
    # With the right `chats`: all that is kept of one person, what was received, and what engines show of chats.
    "GET /v1/users/{user_id}/contacts/{number}": _NUMBERS | _WAITING,
    "GET /v1/events": frozenset({"number", "received text"}),
    "GET /v1/sessions/{session_id}/events": frozenset({"number", "received text"}),
    "GET /v1/audit": frozenset(),
    "GET /api/sessions/{id}/chats": frozenset(
        {"number", "received text", "text that was sent", "text by the gateway", "caption that was sent"}
    ),
    "GET /api/sessions/{id}/messages": frozenset(
        {"number", "received text", "text that was sent", "text by the gateway", "caption that was sent"}
    ),
    "GET /api/sessions/{id}/contacts": _NUMBERS,
    "GET /api/sessions/{id}/webhooks": frozenset(),
    "POST /api/sessions/{id}/messages/send-text": _NUMBERS,
}


def unfit_answers(marks: Marks, answers: list[Answered]) -> set[tuple[str, str, str]]:
    """Return route, place and name of each secret in an answer that is not meant to show it.

    An answer may repeat to its caller what his own path, query or body said, but no header of his.
    """
    unfit: set[tuple[str, str, str]] = set()
    for each in answers:
        said = marks.found_in(each.request.path.encode() + b"\n" + (each.request.body or b""))
        meant = ANSWERS.get(each.where, frozenset())
        unfit |= {(each.where, each.request.place, name) for name in marks.found_in(each.text) - said - meant}
    return unfit


def cells_of(database: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the column and the content of every cell that is no number."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            rows = connection.execute(f'SELECT * FROM "{table}"')  # noqa: S608 (its own names)
            names = [column for column, *_ in rows.description]
            for row in rows:
                for name, cell in zip(names, row, strict=True):
                    if isinstance(cell, str | bytes):
                        yield f"{table}.{name}", cell if isinstance(cell, bytes) else cell.encode()


def columns_with(marks: Marks, home: Path) -> dict[str, set[str]]:
    """Return by column which secrets the databases below the home hold."""
    held: dict[str, set[str]] = {}
    for database in (path for path in home.rglob("*") if path.suffix in (".db", ".sqlite", ".copy")):
        if "sessions" not in database.relative_to(home).parts:
            for column, cell in cells_of(database):
                held.setdefault(column, set()).update(marks.found_in(cell))
    return {column: names for column, names in held.items() if names}


def files_with(marks: Marks, home: Path) -> dict[str, set[str]]:
    """Return by file which secrets its bytes hold; what engines write into their own directories is theirs."""
    found: dict[str, set[str]] = {}
    for path in (each for each in home.rglob("*") if each.is_file()):
        parts = path.relative_to(home).parts
        if not {"data", "tmp"} & set(parts[2:3]):
            found[str(path.relative_to(home))] = set(marks.found_in(path.read_bytes()))
    return {file: names for file, names in found.items() if names}


def command_lines(daemon: Daemon) -> dict[str, bytes]:
    """Return with what arguments the daemon and its engines run, which every user of the host may read."""
    assert daemon.process is not None
    pids = (daemon.process.pid, *engines_below(daemon.home))
    assert len(pids) > 1
    return {f"process {pid}": (Path("/proc") / str(pid) / "cmdline").read_bytes() for pid in pids}


def printed_by(daemon: Daemon, environ: Mapping[str, str], *words: str) -> bytes:
    """Return all that a command prints."""
    argv = (sys.executable, "-m", "openwa_manager", *words, "--home", str(daemon.home))
    environ = {"PATH": os.environ["PATH"], "HOME": str(daemon.home), **environ}
    done = subprocess.run(argv, env=environ, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr
