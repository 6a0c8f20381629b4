#!/usr/bin/env python3
"""Receives the events of openwa-manager with Python's standard library: checks them and handles each exactly once."""

import base64
import hashlib
import hmac
import json
import os
import sqlite3
import time
from contextlib import closing
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = os.environ["WEBHOOK_SECRET"]
BODY_MAX_BYTES = 4 * 1024 * 1024  # media above 1 MiB is never part of an event
DATABASE = os.environ.get("DATABASE", "openwa.sqlite3")
SCHEMA = """
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS processed_event (id TEXT PRIMARY KEY, at TEXT DEFAULT CURRENT_TIMESTAMP);
    CREATE TABLE IF NOT EXISTS session (
        session_id TEXT PRIMARY KEY, status TEXT, reason TEXT, phone_number TEXT, last_seen_at TEXT,
        qr_base64 TEXT, qr_expires_at TEXT, qr_launch INTEGER DEFAULT 0, paired_launch INTEGER DEFAULT 0);
    CREATE TABLE IF NOT EXISTS message (message_id TEXT PRIMARY KEY, fate TEXT, sender TEXT, body TEXT);
"""
#: A message's fate only goes forward: an event may be repeated when others have come. `failed` says in `status` how.
ON_FATE = """INSERT INTO message (message_id, fate) VALUES (coalesce(:manager_message_id, :message_id),
        iif(:type = 'message.failed', coalesce(:status, 'failed'), substr(:type, 9)))
    ON CONFLICT (message_id) DO UPDATE SET fate = excluded.fate
    WHERE instr('unknown sent delivered read failed bounced expired cancelled', excluded.fate)
        > instr('unknown sent delivered read failed bounced expired cancelled', fate)"""
#: What to do about which event: one statement each here, anything that belongs into the same transaction in your app.
HANDLERS = {
    # Codes travel in a lane of their own: one may come when its launch is paired already, and is of no use then.
    "session.qr": """UPDATE session SET qr_base64 = :qr_base64, qr_expires_at = :expires_at, qr_launch = :launch
        WHERE session_id = :session_id AND paired_launch < :launch""",
    "session.connected": """UPDATE session SET phone_number = :phone_number, paired_launch = :launch,
        qr_base64 = iif(qr_launch > :launch, qr_base64, NULL) WHERE session_id = :session_id""",
    "session.disconnected": "UPDATE session SET reason = :reason WHERE session_id = :session_id",
    "session.banned": "UPDATE session SET reason = :reason WHERE session_id = :session_id",
    "session.status": "UPDATE session SET status = :status, reason = :reason WHERE session_id = :session_id",
    "session.heartbeat": "UPDATE session SET last_seen_at = :timestamp WHERE session_id = :session_id",
    "session.deleted": "DELETE FROM session WHERE session_id = :session_id",
    "message.received": """INSERT OR IGNORE INTO message (message_id, sender, body)
        VALUES (:data_id, :data_from, :data_body)""",
    **dict.fromkeys(("message.sent", "message.delivered", "message.read", "message.failed"), ON_FATE),
}


class Fields(dict[str, Any]):
    """An event's fields; those it lacks are NULL, and what an engine said itself is found as `data_…`."""

    def __missing__(self, name: str) -> object:
        return (self.get("data") or {}).get(name.removeprefix("data_")) if name.startswith("data_") else None


def is_signed(body: bytes, headers: Message) -> bool:
    """Check as standardwebhooks.com says: the time is signed too, so nobody can send an old request again."""
    sent_at = headers.get("webhook-timestamp", "")
    if not (sent_at.isdecimal() and len(sent_at) < 12) or abs(time.time() - int(sent_at)) > 300:
        return False
    key = base64.b64decode(SECRET.removeprefix("whsec_")) if SECRET.startswith("whsec_") else SECRET.encode()
    signed = f"{headers.get('webhook-id')}.{sent_at}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    # While a secret is being changed there are two signatures: one that fits is enough.
    return any(hmac.compare_digest(expected, one.encode()) for one in headers.get("webhook-signature", "").split())


def is_signed_plainly(body: bytes, headers: Message) -> bool:
    """Check as PHP's hash_hmac('sha256', $body, $secret) does: simpler, and blind to a repeated request."""
    expected = b"sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest().encode()
    return hmac.compare_digest(expected, headers.get("X-OpenWA-Signature", "").encode())


CHECK = is_signed_plainly if os.environ.get("SIGNATURE") == "plain" else is_signed


def handle(event: Fields) -> None:
    """Handle an event once, however often it is sent: its id and all it changes are one transaction."""
    kind, session_id = event["type"], event["session_id"]
    with closing(sqlite3.connect(DATABASE, timeout=10, isolation_level=None)) as database, database:
        database.execute("BEGIN IMMEDIATE")
        new = database.execute("INSERT OR IGNORE INTO processed_event (id) VALUES (:id)", event).rowcount
        if not new:
            return
        if session_id:
            database.execute("INSERT OR IGNORE INTO session (session_id) VALUES (?)", (session_id,))
        if statement := HANDLERS.get(kind):  # of any other type it is enough to have heard
            database.execute(statement, event)
    print(event["seq"], kind, session_id, flush=True)


class Receiver(BaseHTTPRequestHandler):
    """Answers 2xx only when an event is on disk: whatever else is answered, the event comes again."""

    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self) -> None:
        """Take one event."""
        length = self.headers.get("Content-Length", "")
        if not (length.isdecimal() and len(length) < 9 and int(length) <= BODY_MAX_BYTES):
            self.send_error(413)
            return
        body = self.rfile.read(int(length))
        is_genuine = CHECK(body, self.headers)
        if is_genuine:
            handle(Fields(json.loads(body)))
        self.send_response(204 if is_genuine else 401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing for each request."""


if __name__ == "__main__":
    with closing(sqlite3.connect(DATABASE)) as connection:
        connection.executescript(SCHEMA)
    ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8000"))), Receiver).serve_forever()
