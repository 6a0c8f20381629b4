#!/usr/bin/env python3
"""All that a backend asks of openwa-manager: a session and its code, a message, many at once, and what became of them.

export OPENWA_API_KEY=owm_…
python client.py pair user_1_session_a
python client.py send user_1_session_a +85212345678 "Hello"
python client.py bulk user_1_session_a customers.csv "Hello {{name}}"    # columns: to, name
python client.py queue user_1_session_a
python client.py cancel msg_…    (or batch_…)
"""

import csv
import hashlib
import json
import os
import sys
import time
import urllib.error
import urllib.request
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Answer = dict[str, Any]
BASE_URL = os.environ.get("OPENWA_BASE_URL", "http://127.0.0.1:2790")
#: How many messages one call takes.
BULK_MAX = 10_000
#: Pauses before a call is made again, in seconds, where a second one does nothing twice.
PAUSES_S = (1, 5, 25)
#: A message in one of these states stays there, or is followed by better news only.
FINAL = ("delivered", "read", "failed", "bounced", "expired", "unknown", "cancelled")


class RefusedError(Exception):
    """What the manager said; `code` is stable, `retry_after_s` is when asking again helps (None: never, or unknown)."""

    def __init__(self, status: int, problem: Answer) -> None:
        self.status, self.code = status, problem.get("code", "")
        self.retry_after_s: float | None = problem.get("retry_after_s")
        super().__init__(f"{status} {self.code} {problem.get('detail') or problem}")

    @property
    def is_transient(self) -> bool:
        """Tell whether the same call, with the same key, may do what was wanted."""
        lasting = ("quota_exceeded", "first_contact_cap")
        return self.status in (0, 408, 429, *range(500, 600)) and self.code not in lasting


def call(method: str, path: str, body: Answer | None = None, key: str | None = None) -> Answer:
    """Call the manager and return its answer. Raises: RefusedError, with status 0 when nobody answered."""
    headers = {"X-API-Key": os.environ["OPENWA_API_KEY"], "Content-Type": "application/json"}
    if key is not None:
        headers["Idempotency-Key"] = key
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(BASE_URL + path, data, headers, method=method)  # noqa: S310 (whoever runs this names it)
    try:
        with urllib.request.urlopen(request, timeout=90) as answer:  # noqa: S310 (as above)
            return json.loads(answer.read() or b"{}")  # type: ignore[no-any-return]
    except urllib.error.HTTPError as refusal:
        raise RefusedError(refusal.code, _problem(refusal.read())) from None
    except OSError as trouble:
        raise RefusedError(0, {"code": "no_answer", "detail": str(trouble)}) from None


def insist(method: str, path: str, body: Answer | None = None, key: str | None = None) -> Answer:
    """Make a call that may be made twice, again and again while that helps. Raises: RefusedError."""
    for pause_s in PAUSES_S:
        try:
            return call(method, path, body, key)
        except RefusedError as refusal:
            if not refusal.is_transient:
                raise
            time.sleep(max(pause_s, refusal.retry_after_s or 0))
    return call(method, path, body, key)


def send(session_id: str, to: str, text: str, reference: str) -> Answer:
    """Hand a text over and return the message; a second call with the same `reference` returns the same one."""
    body = {"to": to, "text": text, "reference": reference}
    return insist("POST", f"/v1/sessions/{session_id}/messages", body)


def send_bulk(session_id: str, template: Answer, recipients: list[Answer], key: str) -> Answer:
    """Hand up to 10,000 messages over; a second call with the same key and body returns the first answer."""
    body = {"name": key, "template": template, "recipients": recipients}
    return insist("POST", f"/v1/sessions/{session_id}/messages/bulk", body, key)


def wait_for_message(message_id: str, within_s: float = 120) -> Answer:
    """Return the message once it is delivered or has failed, or as it is after so many seconds."""
    return _wait(f"/v1/messages/{message_id}", lambda message: message["status"] in FINAL, within_s)


def wait_for_batch(batch_id: str, within_s: float) -> Answer:
    """Return the batch once nothing of it waits any more, or as it is after so many seconds."""
    return _wait(f"/v1/batches/{batch_id}", lambda batch: batch["state"] in ("done", "cancelled"), within_s)


def cancel(id_: str) -> Answer:
    """Call off a message, or what still waits of a batch. Raises: RefusedError, 409 when it is being sent already."""
    return insist("DELETE", f"/v1/{'batches' if id_.startswith('batch_') else 'messages'}/{id_}")


def queue(session_id: str, **change: str) -> Answer:
    """Return how much waits and why; `state="paused"` or `"active"` stops it or lets it go on."""
    return insist("PATCH" if change else "GET", f"/v1/sessions/{session_id}/queue", change or None)


def pair(session_id: str) -> Answer:
    """Return the session once it is connected; until then save its code as a picture to be scanned."""
    # Creating is idempotent: for a session that is there already this only asks how it is.
    session = insist("POST", "/v1/sessions", {"session_id": session_id, "wait_for": "qr", "timeout_s": 60})
    print(f"{session_id} runs as process {session['pid']}", flush=True)
    shown = ""
    while session["status"] != "connected":
        if session["status"] in ("stopped", "failed", "banned", "logged_out"):
            sys.exit(f"{session_id} is {session['status']}: {session['reason']}")
        try:
            code = call("GET", f"/v1/sessions/{session_id}/qr")
        except RefusedError as refusal:
            if refusal.status != 409:  # no code can come at this moment: it was scanned just now
                raise
            code = {}
        if code and code["qr_base64"] != shown:
            shown = code["qr_base64"]
            picture = Path(f"{session_id}.png")
            picture.write_bytes(b64decode(shown))
            print(f"scan {picture.resolve()} until {code['expires_at']}", flush=True)
        time.sleep(1)  # a backend that receives the events needs no such loop
        session = call("GET", f"/v1/sessions/{session_id}")
    print(f"connected as {session['phone_number']}", flush=True)
    return session


def _problem(raw: bytes) -> Answer:
    try:
        problem = json.loads(raw)
    except ValueError:  # a proxy in between has answered
        problem = None
    return problem if isinstance(problem, dict) else {"detail": raw[:200].decode(errors="replace")}


def _wait(path: str, is_enough: Callable[[Answer], bool], within_s: float) -> Answer:
    deadline = time.monotonic() + within_s
    while not is_enough(found := insist("GET", path)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


def _chunks(file: Path) -> Iterator[list[Answer]]:
    """Read recipients from a CSV file: the column `to`, and one for each variable."""
    with file.open(newline="", encoding="utf-8-sig") as lines:
        rows = [{"to": row.pop("to"), "variables": row} for row in csv.DictReader(lines)]
    for start in range(0, len(rows), BULK_MAX):
        yield rows[start : start + BULK_MAX]


def _main(verb: str, first: str, *rest: str) -> None:
    if verb == "pair":
        pair(first)
    elif verb == "send":
        to, text = rest
        # In a backend the reference is a name of its own, such as an order's: then a crash sends nothing twice.
        handed = send(first, to, text, reference=f"client.py {time.time_ns()}")
        print(f"{handed['message_id']} {handed['status']}", flush=True)
        message = wait_for_message(handed["message_id"])
        print(message["message_id"], message["status"], message["error_code"] or message["whatsapp_message_id"])
    elif verb == "bulk":
        file, text = Path(rest[0]), rest[1]
        digest = hashlib.sha256(text.encode() + file.read_bytes()).hexdigest()[:16]
        for number, recipients in enumerate(_chunks(file)):
            # The key follows from what is sent: the same file and text once more send nothing.
            answer = send_bulk(first, {"text": text}, recipients, key=f"{file.stem[:80]}-{digest}-{number}")
            print(answer["batch_id"], "accepted", answer["accepted"], "until", answer["finish_at"], flush=True)
            for each in answer["rejected"]:
                print(f"  {recipients[each['index']]['to']}: {each['code']} {each['detail']}")
    elif verb == "queue":
        print(json.dumps(queue(first), indent=2))
    elif verb == "cancel":
        print(json.dumps(cancel(first), indent=2))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        _main(*sys.argv[1:])
    except RefusedError as refusal:
        sys.exit(f"refused: {refusal}")
