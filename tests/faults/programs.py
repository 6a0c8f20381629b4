"""Engines of one's own, for faults the simulator does not have: small programs for the recipe `command`."""

import json
import sys

from openwa_manager.domain.delivery.events import Json

#: `post` tells the daemon an event as an engine does, `wait_for` returns once a file stands in the session directory.
PROLOGUE = """
import hashlib, hmac, json, os, pathlib, signal, subprocess, sys, time, urllib.request
def post(event, **data):
    body = json.dumps({"event": event, **data}).encode()
    signature = hmac.new(os.environ["WEBHOOK_SECRET"].encode(), body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-OpenWA-Signature": "sha256=" + signature}
    urllib.request.urlopen(urllib.request.Request(os.environ["WEBHOOK_URL"], body, headers), timeout=45)
def wait_for(name):
    while not pathlib.Path(name).exists():
        time.sleep(0.01)
"""


#: Runs whatever program a session brings along in its own environment.
COMMAND = {"COMMAND_ARGV": json.dumps([sys.executable, "-c", f"{PROLOGUE}exec(os.environ['PROGRAM'])"])}


def running(program: str) -> dict[str, Json]:
    """Return what makes this program the engine of a new session."""
    return {"engine": "command", "env": {"PROGRAM": program}}
