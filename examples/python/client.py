#!/usr/bin/env python3
"""Creates a session, shows its code until it is scanned, and says hello: all that a backend asks of openwa-manager.

OPENWA_API_KEY=owm_… python client.py user_1_session_a [+85212345678]
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from base64 import b64decode
from pathlib import Path
from typing import Any

BASE_URL = os.environ.get("OPENWA_BASE_URL", "http://127.0.0.1:2790")
API_KEY = os.environ["OPENWA_API_KEY"]


def call(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Call the manager and return its answer; end with its own words when it refuses."""
    headers = {"X-API-Key": API_KEY, "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    try:
        request = urllib.request.Request(BASE_URL + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=70) as answer:
            return json.loads(answer.read() or b"{}")  # type: ignore[no-any-return]
    except urllib.error.HTTPError as refusal:
        if refusal.code == 409 and method == "GET":
            return {}  # no code can come at this moment: it was scanned just now
        problem = json.loads(refusal.read())
        sys.exit(f"{method} {path}: {refusal.code} {problem.get('code', '')} {problem.get('detail') or problem}")
    except urllib.error.URLError as trouble:
        sys.exit(f"{method} {path}: {trouble.reason}")


def main(session_id: str, friend: str | None = None) -> None:
    """Pair a session and, if there is a friend's number, write to it."""
    # Creating is idempotent: for a session that is there already this only asks how it is.
    session = call("POST", "/v1/sessions", {"session_id": session_id, "wait_for": "qr", "timeout_s": 60})
    print(f"{session_id} runs as process {session['pid']}", flush=True)
    shown = ""
    while session["status"] != "connected":
        if session["status"] in ("stopped", "failed", "banned", "logged_out"):
            sys.exit(f"{session_id} is {session['status']}: {session['reason']}")
        code = call("GET", f"/v1/sessions/{session_id}/qr")
        if code and code["qr_base64"] != shown:
            shown = code["qr_base64"]
            picture = Path(f"{session_id}.png")
            picture.write_bytes(b64decode(shown))
            print(f"scan {picture.resolve()} until {code['expires_at']}", flush=True)
        time.sleep(1)  # a backend that receives the events needs no such loop
        session = call("GET", f"/v1/sessions/{session_id}")
    print(f"connected as {session['phone_number']}", flush=True)
    if friend:
        sent = call("POST", f"/api/sessions/{session_id}/messages/send-text", {"to": friend, "text": "Hello"})
        print(f"sent {sent['messageId']}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
