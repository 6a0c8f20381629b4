"""Writes docs/trouble.md and docs/reference/findings.md, from the table that the doctor's words are made of."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from openwa_manager.domain.diagnosis.entries import Symptom
from openwa_manager.domain.diagnosis.session_rules import OF_REASON
from openwa_manager.domain.diagnosis.table import TABLE
from openwa_manager.domain.session.reasons import SENTENCES
from tests.reference.markdown import chapter, code, page, sentence, table, with_code
from tests.reference.placeholders import filled

_INTRODUCTION: Final = """\
What you see, what the program says of it, and the cure. Ask it first:

```text
openwa-manager doctor              # this host, its daemon, every endpoint
openwa-manager doctor SESSION      # what is wrong with one session, and the cure
openwa-manager why SESSION         # how it came so, step by step, and what comes next
openwa-manager logs SESSION -f     # what its engine prints
```

Here is what people meet most: `…`, N and TIME stand for the facts. [reference/findings](reference/findings.md) has all
that is found, [reference/reasons](reference/reasons.md) what each word means."""
#: What people meet most, by what they see; docs/reference/findings.md has all.
USUAL: Final[Mapping[Symptom, Sequence[str]]] = {
    Symptom.NO_CODE: ("launch_failed", "engine_crashes", "no_code_came", "code_expired"),
    Symptom.CREATING: ("host_short", "no_code_yet"),
    Symptom.NOT_SENDING: ("held_not_connected", "held_paused", "refused_recipient"),
    Symptom.MEDIA: ("media_private", "media_refused"),
    Symptom.FAILURES: ("high_failure_rate", "held_rate_limited"),
    Symptom.BANNED: ("banned", "logged_out", "restricted"),
    Symptom.NO_EVENTS: ("webhook_unauthorized", "webhook_not_found", "webhook_csrf", "webhook_throttled"),
    Symptom.HOST: ("pm2_treekill",),
}


def trouble_page() -> str:
    """Return the page about trouble."""
    chapters = (
        chapter(symptom.value, table(["it says", "do this"], map(_usual, codes))) for symptom, codes in USUAL.items()
    )
    return page("Trouble", _INTRODUCTION, *chapters)


def _usual(name: str) -> list[str]:
    says, cure = _row(name)
    return ["; `why`: ".join([says, *islice(_reasons_of(name), 1)]), cure]


def _reasons_of(name: str) -> Iterator[str]:
    """Go through what a session says of itself with this finding, where there are no facts of the case."""
    return (SENTENCES[reason] for reason, found in OF_REASON.items() if found == name)


_ALL: Final = """\
What `openwa-manager doctor` and `GET /v1/doctor` can find, by what people see first. `code` is stable. `fail`: it does
not work until somebody acts; `warn`: it works less well than it could, or waits; `ok`: it is well. `…`, N and TIME
stand for the facts of the case. What `doctor` looks at beside these on its own host (Python, Node.js, the service, the
clock, the settings) it finds without a daemon, and names the cure itself."""


def findings_page() -> str:
    """Return the page of all findings."""
    return page("Findings of the doctor", _ALL, *(chapter(each.value, _all_of(each)) for each in Symptom))


def _all_of(symptom: Symptom) -> str:
    found = (name for name, entry in TABLE.items() if entry.symptom is symptom)
    rows = ([code(name), TABLE[name].level, *_row(name)] for name in found)
    return table(["code", "level", "it says", "do this"], rows)


def _row(name: str) -> list[str]:
    """Return what is said and the cure; what is only facts of the case is told by the reason that it is found by."""
    entry = TABLE[name]
    says = next(_reasons_of(name), entry.finding) if entry.finding == "{detail}" else entry.finding
    return [with_code(filled(says)), sentence(with_code(filled(entry.cure))) if entry.cure else ""]
