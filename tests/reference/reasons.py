"""Writes docs/reference/reasons.md: every stable word that says why, with its sentence, from the code's own tables."""

import inspect
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar

from openwa_manager.api.errors import MEANINGS
from openwa_manager.api.gateway.errors import WORDS as GATEWAY_WORDS
from openwa_manager.domain.delivery.delivery import DeliveryState
from openwa_manager.domain.diagnosis.session_rules import OF_HOLD, OF_REASON
from openwa_manager.domain.diagnosis.table import TABLE
from openwa_manager.domain.errors import OpenwaManagerError
from openwa_manager.domain.messaging import outcomes, words
from openwa_manager.domain.messaging.holds import SERIOUS
from openwa_manager.domain.messaging.messages import STANDINGS, HoldCode
from openwa_manager.domain.session.reasons import SENTENCES, ReasonCode
from openwa_manager.domain.session.words import STATUSES, reaction_to
from tests.reference.markdown import chapter, code, page, sentence, table, with_code
from tests.reference.placeholders import filled

Word = TypeVar("Word", bound=StrEnum)

_INTRODUCTION: Final = """\
The words that say why. Programs read the codes, which stay; people read the sentences, which may change.
[trouble.md](../trouble.md) begins with what people see instead."""
_REASONS: Final = """\
`reason.code` of a session, `reason` of its events and `openwa-manager why`. `reason.detail` says the same with the
facts of the case. The times are those of the [settings](settings.md)' defaults. While a host slept or was offline
nothing is held against any session; afterwards every engine is asked anew."""
_HOLDS: Final = """\
`hold.code` of a message that waits; `GET /v1/sessions/{id}/queue` counts them. The strongest comes first: a message
that waits for several reasons shows that one. `until` is when it ends, null where nobody can tell. `queue.held` tells
of those with a ⚠."""


def reasons_page() -> str:
    """Return the page."""
    return page(
        "Reasons and codes",
        _INTRODUCTION,
        chapter("Statuses of sessions", _plain("status", STATUSES)),
        chapter("Reasons of sessions", _REASONS, _reasons()),
        chapter("States of messages", _states()),
        chapter("Holds", _HOLDS, _holds()),
        *_messages(),
        *_problems(),
    )


def _plain(head: str, sentences: Mapping[Word, str]) -> str:
    return table([head, "what it means"], ([code(each), sentence(text)] for each, text in sentences.items()))


def _reasons() -> str:
    rows = (
        [code(each), sentence(SENTENCES[each]), reaction_to(each), _cure(OF_REASON.get(each))] for each in ReasonCode
    )
    return table(["reason", "what it means", "what happens by itself", "what you can do"], rows)


def _cure(found: str | None) -> str:
    cure = TABLE[found].cure if found else None
    return sentence(with_code(filled(cure))) if cure else ""


def _states() -> str:
    rows = ([code(each), text, STANDINGS[each].value] for each, text in words.STATES.items())
    words_of_quota = (
        "A message counts in the month in which it was accepted: `reserved` until it is sent, then `booked`; what was "
        "not sent is `free` again. Sent once more, it is a new message; asked for that twice, the same one, as long as "
        "that may still arrive."
    )
    return f"{words_of_quota}\n\n{table(['status', 'what it means', 'of the quota it is'], rows)}"


def _holds() -> str:
    rows = (
        [f"{code(each)}{' ⚠' if each in SERIOUS else ''}", words.HOLDS[each], _cure(OF_HOLD.get(each))]
        for each in HoldCode
    )
    return table(["hold", "why it waits", "what you can do"], rows)


def _messages() -> list[str]:
    said = "`error_code` and `error_detail` of a message that did not get through, and of `message.failed`."
    gateway = (
        "A send through `/api` that cannot leave at once may also end with a hold's code, and a message of a batch "
        "with a code of the next table, if that was found while it was taken in."
    )
    rejected = (
        "`rejected` in the answer to a batch: what was not taken, by its `index`. What refuses the whole call is 422 "
        "and names the field, as in `messages.2.text`."
    )
    return [
        chapter("Errors of messages", said, _plain("code", outcomes.SENTENCES), _plain("code", words.ENDS), gateway),
        chapter("Rejections of batches", rejected, _plain("code", words.REJECTIONS)),
        chapter("Outcomes of attempts", "`attempts` of a message.", _plain("outcome", words.ATTEMPTS)),
        chapter("States of batches", _plain("state", words.BATCH_STATES)),
        chapter("States of deliveries", _plain("state", DELIVERIES)),
    ]


#: What becomes of an event for one endpoint.
DELIVERIES: Final[Mapping[DeliveryState, str]] = {
    DeliveryState.PENDING: "It has yet to be delivered.",
    DeliveryState.DELIVERED: "The endpoint has accepted it.",
    DeliveryState.DEAD: "It was given up, and is kept for a replay.",
}


def _problems() -> list[str]:
    rows = [[str(meaning.status), code(name), meaning.says] for name, meaning in MEANINGS.items()]
    rows.insert(-1, ["500", code("internal_error"), "A fault of the daemon; its log has more under `request_id`."])
    of_problems = (
        'An error is `application/problem+json`: `{"title", "status", "code", "detail", "request_id"}`, and where it '
        "helps `field`, `retry_after_s`, `resets_at`. 429 and some 503 have the header `Retry-After`."
    )
    of_gateway = (
        'Below `/api` errors have OpenWA\'s form, `{"message", "error", "statusCode"}`. These have a `code` of ours '
        "too; every other refusal of ours has the status above, 422 `invalid` as 400."
    )
    gateway = ([str(status), code(name), _of_gateway(kind)] for kind, (status, name) in GATEWAY_WORDS.items())
    head = ["status", "code", "what it means"]
    return [
        chapter("Errors of the API", of_problems, table(head, sorted(rows, key=lambda row: row[0]))),
        chapter("Errors below /api", of_gateway, table(head, gateway)),
    ]


def _of_gateway(kind: type[OpenwaManagerError]) -> str:
    """Return what a refusal means; its class says more where several share a code."""
    says = (inspect.getdoc(kind) or "").partition("\n")[0] if kind.code == "conflict" else MEANINGS[kind.code].says
    return sentence(says.partition("; `")[0])
