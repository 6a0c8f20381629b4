#!/usr/bin/env python3
"""All that a backend asks of openwa-manager: a session and its code, a message, many at once, and what became of them.

Import `Client`, or try it:

export OPENWA_API_KEY=owm_…
python client.py pair user_1_session_a
python client.py send user_1_session_a +85212345678 "Hello"
python client.py bulk user_1_session_a customers.csv "Hello {{name}}"    # columns: to, name
python client.py queue user_1_session_a
python client.py cancel msg_…    (or batch_…)
"""

import csv
import hashlib
import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict, TypeVar, Unpack
from urllib.parse import quote

Answer = dict[str, Any]
Thing = TypeVar("Thing")
Status = Literal[
    "queued", "sending", "sent", "delivered", "read", "failed", "bounced", "expired", "unknown", "cancelled"
]
#: How many messages one call takes.
BULK_MAX = 10_000
#: Pauses before a call is made again, in seconds.
PAUSES_S = (1, 5, 25)
#: A call that could only be made again later than in so many seconds is not waited for.
PATIENCE_S = 120
#: A message in one of these states stays there, or is followed by better news only.
FINAL = ("delivered", "read", "failed", "bounced", "expired", "unknown", "cancelled")


class Content(TypedDict, total=False):
    """What is sent: `text`, or one of the addresses. `{{name}}` in the texts of a batch is filled in per recipient."""

    text: str
    image_url: str
    video_url: str
    audio_url: str
    document_url: str
    caption: str
    filename: str
    fallback_text: str


class Options(TypedDict, total=False):
    """When to send; times are ISO 8601, such as `2026-12-24T09:00:00+08:00`."""

    send_after: str
    expires_at: str


class BatchOptions(Options, total=False):
    """When to send a batch: only within `window`, if there is one."""

    name: str
    window: Mapping[str, str | list[int]]


class Recipient(TypedDict, total=False):
    """One whom a batch goes to, and what is filled in for him."""

    to: str
    variables: Mapping[str, str]
    reference: str


class Message(TypedDict):
    """What the client reads of a message; the answer holds more."""

    message_id: str
    status: Status
    reference: str | None
    hold: Mapping[str, str | None] | None
    error_code: str | None
    error_detail: str | None
    whatsapp_message_id: str | None


class Accepted(TypedDict):
    """What was taken of a batch: how many, when the last leaves, and who is not written to, and why."""

    batch_id: str
    accepted: int
    rejected: list[Answer]
    finish_at: str | None
    quota_left: int | None


class Batch(TypedDict):
    """How far a batch is: `counts` by status, and why the rest waits."""

    batch_id: str
    state: Literal["active", "paused", "done", "cancelled"]
    counts: Mapping[Status, int]
    hold: Mapping[str, str | None] | None
    estimated_at: str | None


class RefusedError(Exception):
    """What was answered; `code` is stable. Status 0: no answer, so nobody knows whether it was done."""

    def __init__(self, status: int, problem: Answer, retry_after_s: float | None = None) -> None:
        self.status, self.code = status, str(problem.get("code", ""))
        told = problem.get("retry_after_s", retry_after_s)
        self.retry_after_s = float(told) if isinstance(told, int | float) else None
        super().__init__(f"{status} {self.code} {problem.get('detail') or problem}")

    @property
    def is_transient(self) -> bool:
        """Tell whether the same call may do later what was wanted."""
        lasting = ("quota_exceeded", "first_contact_cap")
        return self.status in (0, 408, 429, 500, 502, 503, 504, 507) and self.code not in lasting


class Client:
    """Speaks to one daemon with one key; may be shared by threads."""

    def __init__(self, base_url: str, api_key: str, *, timeout_s: float = 30) -> None:
        if not base_url.startswith(("http://", "https://")):
            message = f"not the address of a daemon: {base_url}"
            raise ValueError(message)
        if not (api_key.isascii() and api_key.strip().isprintable() and api_key.strip()):
            message = "the key is empty, or has characters that no key has, such as a line break in the middle"
            raise ValueError(message)  # a header with it would fail at each call, with the key in the error's text
        self._base_url, self._api_key, self._timeout_s = base_url.rstrip("/"), api_key.strip(), timeout_s
        self._opener = urllib.request.build_opener(_NoRedirects)

    @classmethod
    def from_environment(cls) -> "Client":
        """Return the client that OPENWA_BASE_URL and OPENWA_API_KEY name."""
        return cls(os.environ.get("OPENWA_BASE_URL", "http://127.0.0.1:2790"), os.environ["OPENWA_API_KEY"])

    def call(self, method: str, path: str, body: object = None, *, key: str | None = None, wait_s: float = 0) -> Answer:
        """Call once and return the answer, which may take `wait_s` longer than usual. Raises: RefusedError."""
        headers = {"X-API-Key": self._api_key, "Content-Type": "application/json"}
        if key is not None:
            if not (key.isascii() and key.isprintable() and 0 < len(key) < 256 and " " not in key):
                message = f"not an Idempotency-Key: {key!r}"
                raise ValueError(message)
            headers["Idempotency-Key"] = key
        data = None if body is None else json.dumps(body).encode()
        url = self._base_url + path
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 (http, as checked above)
        try:
            with self._opener.open(request, timeout=self._timeout_s + wait_s) as answer:
                return _object(answer.read() or b"{}")
        except urllib.error.HTTPError as refusal:
            raise RefusedError(refusal.code, _problem(refusal), _seconds(refusal.headers.get("Retry-After"))) from None
        except (OSError, http.client.HTTPException, ValueError) as trouble:
            raise RefusedError(0, {"code": "no_answer", "detail": str(trouble) or type(trouble).__name__}) from None

    def insist(self, method: str, path: str, body: object = None, *, key: str | None = None) -> Answer:
        """Make a call that does nothing twice, again and again while that helps. Raises: RefusedError."""
        for pause_s in PAUSES_S:
            try:
                return self.call(method, path, body, key=key)
            except RefusedError as refusal:
                pause = max(pause_s, refusal.retry_after_s or 0)
                if not refusal.is_transient or pause > PATIENCE_S:
                    raise
            time.sleep(pause)
        return self.call(method, path, body, key=key)

    def send(
        self, session_id: str, to: str, content: Content, *, reference: str, **options: Unpack[Options]
    ) -> Message:
        """Hand a message over; a second call with the same `reference` and content returns the same message."""
        body = {"to": to, **content, "reference": reference, **options}
        return self.insist("POST", f"/v1/sessions/{_part(session_id)}/messages", body)  # type: ignore[return-value]

    def send_bulk(
        self,
        session_id: str,
        template: Content,
        recipients: Sequence[Recipient],
        *,
        key: str,
        **options: Unpack[BatchOptions],
    ) -> Accepted:
        """Hand up to 10,000 messages over; a second call with the same key and body returns the first answer.

        `key` is an Idempotency-Key: 1 to 255 visible characters of ASCII.
        """
        body = {"template": template, "recipients": recipients, **options}
        path = f"/v1/sessions/{_part(session_id)}/messages/bulk"
        return self.insist("POST", path, body, key=key)  # type: ignore[return-value]

    def message(self, message_id: str) -> Message:
        """Return a message as it is now."""
        return self.insist("GET", f"/v1/messages/{_part(message_id)}")  # type: ignore[return-value]

    def batch(self, batch_id: str) -> Batch:
        """Return a batch as it is now."""
        return self.insist("GET", f"/v1/batches/{_part(batch_id)}")  # type: ignore[return-value]

    def wait_for_message(self, message_id: str, within_s: float = 120) -> Message:
        """Return the message once it is delivered or has failed, or as it is after so many seconds."""
        return _wait(lambda: self.message(message_id), lambda message: message["status"] in FINAL, within_s)

    def wait_for_batch(self, batch_id: str, within_s: float) -> Batch:
        """Return the batch once nothing of it waits any more, or as it is after so many seconds."""
        return _wait(lambda: self.batch(batch_id), lambda batch: batch["state"] in ("done", "cancelled"), within_s)

    def cancel(self, id_: str) -> Answer:
        """Call off a message, or what still waits of a batch. Raises: RefusedError, 409 when it is being sent."""
        return self.insist("DELETE", f"/v1/{'batches' if id_.startswith('batch_') else 'messages'}/{_part(id_)}")

    def queue(self, session_id: str, **change: str) -> Answer:
        """Return how much waits and why; `state="paused"` or `"active"` stops it or lets it go on."""
        return self.insist("PATCH" if change else "GET", f"/v1/sessions/{_part(session_id)}/queue", change or None)

    def session(self, session_id: str) -> Answer:
        """Return a session, with its `status`, `reason`, `phone_number` and `pid`."""
        return self.insist("GET", f"/v1/sessions/{_part(session_id)}")

    def create(self, session_id: str) -> Answer:
        """Make a session, or find it as it is, and wait until it shows its code or is connected."""
        body = {"session_id": session_id, "wait_for": "qr", "timeout_s": 60}
        return self.call("POST", "/v1/sessions", body, wait_s=60)

    def code(self, session_id: str) -> Answer | None:
        """Return the code to scan, as a PNG in `qr_base64`; None while there is none."""
        try:
            return self.call("GET", f"/v1/sessions/{_part(session_id)}/qr") or None
        except RefusedError as refusal:
            if refusal.status != 409:  # none can come at this moment: it was scanned just now
                raise
            return None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the key is for one host."""

    def redirect_request(self, *_: object) -> None:
        """Refuse: the redirect itself is what was answered."""


def _part(text: str) -> str:
    return quote(text, safe="")


def _object(raw: bytes) -> Answer:
    answer = json.loads(raw)
    if not isinstance(answer, dict):
        message = f"not an answer of openwa-manager: {raw[:200]!r}"
        raise ValueError(message)  # noqa: TRY004 (as json.loads itself)
    return answer


def _problem(refusal: urllib.error.HTTPError) -> Answer:
    raw = b""
    try:
        raw = refusal.read(65_536)
        return _object(raw)
    except (OSError, http.client.HTTPException, ValueError):  # a proxy in between has answered
        return {"detail": raw[:200].decode(errors="replace") or refusal.reason}


def _seconds(header: str | None) -> float | None:
    return float(header) if header and header.isdecimal() and len(header) < 9 else None


def _wait(ask: Callable[[], Thing], is_enough: Callable[[Thing], bool], within_s: float) -> Thing:
    deadline = time.monotonic() + within_s
    while not is_enough(found := ask()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


def pair(client: Client, session_id: str) -> None:
    """Return once the session is connected; until then save its code as a picture to be scanned."""
    session = client.create(session_id)
    print(f"{session_id} runs as process {session['pid']}", flush=True)
    shown = ""
    while session["status"] != "connected":
        if session["status"] in ("stopped", "failed", "banned", "logged_out"):
            sys.exit(f"{session_id} is {session['status']}: {session['reason']}")
        code = client.code(session_id)
        if code and code["qr_base64"] != shown:
            shown = code["qr_base64"]
            picture = Path(f"{session_id}.png")
            picture.write_bytes(b64decode(shown))
            print(f"scan {picture.resolve()} until {code['expires_at']}", flush=True)
        time.sleep(1)  # a backend that receives the events needs no such loop
        session = client.session(session_id)
    print(f"connected as {session['phone_number']}", flush=True)


def send(client: Client, session_id: str, to: str, text: str) -> None:
    """Send a text and print what became of it."""
    # In a backend the reference is a name of its own, such as an order's: then a crash sends nothing twice.
    handed = client.send(session_id, to, {"text": text}, reference=f"client.py {time.time_ns()}")
    print(f"{handed['message_id']} {handed['status']}", flush=True)
    message = client.wait_for_message(handed["message_id"])
    print(message["message_id"], message["status"], message["error_code"] or message["whatsapp_message_id"])


def bulk(client: Client, session_id: str, name: str, text: str) -> None:
    """Hand a file of recipients over, 10,000 a call; the same file and text once more send nothing."""
    file = Path(name)
    digest = hashlib.sha256(b"\0".join((file.name.encode(), text.encode(), file.read_bytes()))).hexdigest()[:32]
    for number, recipients in enumerate(_chunks(file)):
        key = f"client.py-{digest}-{number}"
        answer = client.send_bulk(session_id, {"text": text}, recipients, key=key, name=file.stem[:80])
        print(answer["batch_id"], "accepted", answer["accepted"], "until", answer["finish_at"], flush=True)
        for each in answer["rejected"]:
            print(f"  {recipients[each['index']]['to']}: {each['code']} {each['detail']}")


def _chunks(file: Path) -> Iterator[list[Recipient]]:
    """Read recipients from a CSV file: the column `to`, and one for each variable."""
    with file.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines, restkey="", restval="")
        if "to" not in (reader.fieldnames or ()):
            sys.exit(f"{file} has no column `to` in its first line")
        rows: list[Recipient] = [{"to": row.pop("to"), "variables": _named(row)} for row in reader]
    for start in range(0, len(rows), BULK_MAX):
        yield rows[start : start + BULK_MAX]


def _named(row: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in row.items() if name}


def main(words: Sequence[str]) -> None:
    """Do what the command line asks."""
    match words:
        case ("pair", session_id):
            pair(Client.from_environment(), session_id)
        case ("send", session_id, to, text):
            send(Client.from_environment(), session_id, to, text)
        case ("bulk", session_id, file, text):
            bulk(Client.from_environment(), session_id, file, text)
        case ("queue", session_id):
            print(json.dumps(Client.from_environment().queue(session_id), indent=2))
        case ("cancel", id_):
            print(json.dumps(Client.from_environment().cancel(id_), indent=2))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except RefusedError as refusal:
        sys.exit(f"refused: {refusal}")
