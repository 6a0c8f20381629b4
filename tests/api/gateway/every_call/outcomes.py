"""What came back for a call, with what differs from run to run taken out: status, and form or refusal."""

import json
import re
from dataclasses import dataclass

import httpx

from openwa_manager.domain.delivery.events import Json
from tests.api.gateway.every_call.steps import NAME

#: Ids that are made up anew each time: UUIDs and WhatsApp's of messages.
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|3EB0[0-9A-F]{10,}")
#: Texts that are words of the contract, not data.
_WORDS = ("status", "role")
#: How far a message or a batch is: that depends on the moment.
_PASSING = ("pending", "processing", "sent", "delivered", "read", "completed")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One answer: its status, and what it has: a form (`{name: type}`), a refusal's words, or a media type."""

    status: int
    content: str

    def __str__(self) -> str:
        return f"{self.status} {self.content}".strip()


def outcome_of(answer: httpx.Response, session_id: str) -> Outcome:
    """Return what is the same for every run, whatever the session is called."""
    media_type = answer.headers.get("content-type", "").partition(";")[0]
    if not answer.content or media_type != "application/json":
        return Outcome(answer.status_code, media_type if answer.content else "")
    body: Json = json.loads(answer.content)
    if answer.status_code < 400:
        return Outcome(answer.status_code, json.dumps(_form(body), separators=(",", ":")))
    words = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    for each in filter(None, (session_id, NAME)):
        words = re.sub(rf"\b{re.escape(each)}\b", "ID", words)
    return Outcome(answer.status_code, _ID.sub("ID", words))


def _form(value: Json, name: str = "") -> Json:
    if isinstance(value, dict):
        return {key: _form(each, key) for key, each in sorted(value.items())}
    if isinstance(value, list):
        forms = [_form(each) for each in value]
        return [form for at, form in enumerate(forms) if form not in forms[:at]]
    if isinstance(value, bool) or (name in _WORDS and value not in _PASSING):
        return value
    return type(value).__name__
