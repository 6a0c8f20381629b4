"""The table beside what a real OpenWA says of itself: which calls it has, and what they answer."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from openwa_manager.api.gateway.forwarded import FORWARDED
from openwa_manager.domain.access.actions import NEEDS
from openwa_manager.domain.delivery.events import Json
from tests.engines.rig import ON_REAL_OPENWA

pytestmark = list(ON_REAL_OPENWA)

Object = Mapping[str, Json]

PREFIX = "/api/sessions/{sessionId}/"
#: What we answer ourselves.
OWN = {
    *("GET qr", "POST pairing-code"),
    *("POST start", "POST stop", "POST logout", "POST force-kill"),
}
#: The members of answers that need no `chats`: what was done, and what the account's own people have set up or said.
WORDS = """
active autoRejectCalls available base64 batchId body bytes cancelled caseSensitive chatId code completedAt
conditions cooldownSeconds createdAt currency description enabled error estimatedCompletionTime events exists
expiresAt failed field filters footer header id imageUrl inviteCode isAdmin isAvailable lastTriggeredAt limit link
linkedParentJID maxReconnectAttempts message messageId mimetype name number operator page pagination
participantsCount pending picture price priceFormatted productCount products progress reconnectBaseDelay replyText
results retailerId retryCount sent sentAt sessionId startedAt status statusCode statusId statusUrl subscriberCount
success timestamp total totalMessages totalPages updatedAt url value verified whatsappId
"""
HARMLESS = frozenset(WORDS.split())
#: Of those, what would tell of chats anywhere but here: the caller's own text, his own new channel, whom he wrote to.
ONLY_IN: Mapping[str, frozenset[str]] = {
    "body": frozenset({"GET templates", "POST templates", "GET templates/{}", "PUT templates/{}"}),
    "base64": frozenset({"POST media/convert/voice", "POST media/convert/video"}),
    "inviteCode": frozenset({"POST channels"}),
    "subscriberCount": frozenset({"POST channels"}),
    "participantsCount": frozenset({"POST groups"}),
    "chatId": frozenset({"GET messages/batch/{}"}),
    "number": frozenset({"GET contacts/check/{}"}),
    "whatsappId": frozenset({"GET contacts/check/{}"}),
}


def plain(line: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", line)


def described() -> Object:
    text = (Path(os.environ["OPENWA_HOME"]) / "openapi.json").read_text("utf-8")
    found: Object = json.loads(text)
    return found


def calls(document: Object) -> Iterator[tuple[str, Object]]:
    """Yield each call below a session, and what is said of it."""
    paths = document["paths"]
    assert isinstance(paths, dict)
    for path, methods in paths.items():
        assert isinstance(methods, dict)
        if path.startswith(PREFIX):
            for method, said in methods.items():
                assert isinstance(said, dict)
                yield plain(f"{method.upper()} {path.removeprefix(PREFIX)}"), said


def members(schema: Json, schemas: Object) -> set[str]:
    """Return the names of all members that a value of this schema may have, however deep."""
    if isinstance(schema, list):
        return {name for each in schema for name in members(each, schemas)}
    if not isinstance(schema, dict):
        return set()
    if isinstance(reference := schema.get("$ref"), str):
        return members(schemas[reference.rpartition("/")[2]], schemas)
    named = schema.get("properties")
    found = set(named) | members(list(named.values()), schemas) if isinstance(named, dict) else set()
    inner = ("items", "additionalProperties", "allOf", "anyOf", "oneOf")
    return found | {name for each in inner for name in members(schema.get(each), schemas)}


def test_every_call_of_openwas_below_a_session_is_in_the_table() -> None:
    known = {plain(line) for lines in FORWARDED.values() for line in lines} | OWN

    assert {call for call, _ in calls(described())} - known == set()


@pytest.mark.parametrize("status", ["200", "201", "202"])
def test_no_answer_tells_of_chats_to_a_caller_who_may_not_see_any(status: str) -> None:
    document = described()
    components = document["components"]
    assert isinstance(components, dict)
    schemas = components["schemas"]
    assert isinstance(schemas, dict)
    open_calls = {plain(line) for action, lines in FORWARDED.items() if not NEEDS[action].chats for line in lines}

    for call, said in calls(document):
        answers = said["responses"]
        assert isinstance(answers, dict)
        told = members(list(_bodies(answers.get(status))), schemas)
        if call in open_calls:
            assert told <= HARMLESS, call
            assert {name for name in told if call not in ONLY_IN.get(name, {call})} == set(), call


def _bodies(answer: Json) -> Iterator[Json]:
    content = answer.get("content") if isinstance(answer, dict) else None
    for each in content.values() if isinstance(content, dict) else ():
        if isinstance(each, dict):
            yield each.get("schema")
