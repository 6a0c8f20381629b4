"""What one writes in an hour instead of an outbox: events come in over HTTP, wait in a JSON file, go out by httpx.

python httpx_loop.py PORT URL OUTBOX
"""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

PORT, URL, OUTBOX = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
lock = threading.Lock()
try:
    events = json.loads(OUTBOX.read_text())
except (FileNotFoundError, ValueError):  # ValueError: half a file; most would not even go on
    events = []


def save() -> None:
    """Write down what is undelivered."""
    OUTBOX.write_text(json.dumps(events))


class Intake(BaseHTTPRequestHandler):
    """Takes an event and answers once it is in the file."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take one event."""
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with lock:
            events.append(event)
            save()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def deliver() -> None:
    """Send one event after the other; when one fails, try it again a second later."""
    with httpx.Client(timeout=15) as client:
        while True:
            if not events:
                time.sleep(0.01)
                continue
            try:
                client.post(URL, json=events[0]).raise_for_status()
            except httpx.HTTPError:
                time.sleep(1)
                continue
            with lock:
                del events[0]
                save()


threading.Thread(target=deliver, daemon=True).start()
ThreadingHTTPServer(("127.0.0.1", PORT), Intake).serve_forever()
