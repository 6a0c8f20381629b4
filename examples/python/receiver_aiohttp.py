#!/usr/bin/env python3
"""Receives the events of openwa-manager with aiohttp, and shows whoever waits for it the code at `/qr/<session id>`."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from aiohttp import web

SECRET = os.environ["WEBHOOK_SECRET"]
DATABASE = os.environ.get("DATABASE", "openwa.sqlite3")
SCHEMA = """
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS processed_event (id TEXT PRIMARY KEY, at TEXT DEFAULT CURRENT_TIMESTAMP);
    CREATE TABLE IF NOT EXISTS session (session_id TEXT PRIMARY KEY, status TEXT, reason TEXT, phone_number TEXT);
    CREATE TABLE IF NOT EXISTS message (message_id TEXT, type TEXT, event TEXT);
"""
Event = Mapping[str, Any]
Database = sqlite3.Connection
#: The newest code of each session. A code is a login: it belongs into memory, not on a disk.
codes: dict[str, Event] = {}
#: Up to which launch a session is paired: a code travels in a lane of its own and may come later than its scan.
paired: dict[str, int] = {}


def on_qr(_: Database, event: Event) -> None:
    """Show the code, unless it was scanned meanwhile."""
    if event["launch"] > paired.get(event["session_id"], 0):
        codes[event["session_id"]] = event


def on_connected(database: Database, event: Event) -> None:
    """Remember whose session this is; no code is needed any more."""
    paired[event["session_id"]] = event["launch"]
    codes.pop(event["session_id"], None)
    values = (event["phone_number"], event["session_id"])
    database.execute("UPDATE session SET phone_number = ? WHERE session_id = ?", values)


def on_status(database: Database, event: Event) -> None:
    """Store what to show: creating, qr_ready, authenticating, connected, disconnected, restarting, banned."""
    values = (event["session_id"], event["status"], event["reason"])
    database.execute("INSERT OR IGNORE INTO session (session_id) VALUES (?)", values[:1])
    database.execute("UPDATE session SET status = ?2, reason = ?3 WHERE session_id = ?1", values)


def on_trouble(_: Database, event: Event) -> None:
    """Tell someone: after `banned` and `logged_out` the manager does not restart by itself."""
    print(f"{event['session_id']}: {event['type']} ({event['reason']})", flush=True)


def on_message(database: Database, event: Event) -> None:
    """Store what came in, and what became of what went out: sent, delivered, read or failed."""
    # What never left has no id of WhatsApp's, and what was not sent by us none of the manager's.
    message_id = event.get("manager_message_id") or event.get("message_id") or event["data"]["id"]
    values = (message_id, event["type"], json.dumps(event))
    database.execute("INSERT INTO message VALUES (?, ?, ?)", values)


HANDLERS = {
    "session.qr": on_qr,
    "session.connected": on_connected,
    "session.status": on_status,
    **dict.fromkeys(("session.disconnected", "session.banned", "session.logged_out"), on_trouble),
    **{f"message.{what}": on_message for what in ("received", "sent", "delivered", "read", "failed")},
}


def handle(event: Event) -> None:
    """Handle an event once, however often it is sent: its id and all it changes are one transaction."""
    with closing(sqlite3.connect(DATABASE, timeout=10, isolation_level=None)) as database, database:
        database.execute("BEGIN IMMEDIATE")
        new = database.execute("INSERT OR IGNORE INTO processed_event (id) VALUES (?)", (event["id"],)).rowcount
        if new and (handler := HANDLERS.get(event["type"])):
            handler(database, event)


def is_signed(body: bytes, headers: Mapping[str, str]) -> bool:
    """Check as standardwebhooks.com says: the time is signed too, so nobody can send an old request again."""
    sent_at = headers.get("webhook-timestamp", "")
    if not (sent_at.isdecimal() and len(sent_at) < 12) or abs(time.time() - int(sent_at)) > 300:
        return False
    key = base64.b64decode(SECRET.removeprefix("whsec_")) if SECRET.startswith("whsec_") else SECRET.encode()
    signed = f"{headers.get('webhook-id')}.{sent_at}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    # While a secret is being changed there are two signatures: one that fits is enough.
    return any(hmac.compare_digest(expected, one.encode()) for one in headers.get("webhook-signature", "").split())


async def receive(request: web.Request) -> web.Response:
    """Take one event, and answer 2xx only when it is on disk: whatever else is answered, it comes again."""
    body = await request.read()
    if not is_signed(body, request.headers):
        return web.Response(status=401)
    await asyncio.to_thread(handle, json.loads(body))
    return web.Response(status=204)


async def show_code(request: web.Request) -> web.Response:
    """Show the code as an image; 404 while there is none."""
    event = codes.get(request.match_info["session_id"])
    image = base64.b64decode(event["qr_base64"]) if event else None
    return web.Response(body=image, content_type="image/png") if image else web.Response(status=404)


if __name__ == "__main__":
    with closing(sqlite3.connect(DATABASE)) as connection:
        connection.executescript(SCHEMA)
    app = web.Application(client_max_size=4 << 20)
    app.add_routes([web.post("/webhooks/openwa", receive), web.get("/qr/{session_id}", show_code)])
    web.run_app(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
