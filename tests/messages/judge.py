"""Compares what the daemon says of its messages with what WhatsApp really got, and names every difference."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.messaging.messages import OPEN
from tests.messages.plan import REFUSED_LATER_ENDINGS, UNCERTAIN_ENDINGS, Planned
from tests.messages.truth import BookEntry, Break, LedgerRow

_OPEN = frozenset(str(status) for status in OPEN)
_SENT = frozenset({"sent", "delivered", "read"})
_TOLD_AS_FAILED = frozenset({"failed", "bounced", "expired", "unknown"})
#: How exactly two clocks of one host, and a file's decimals, agree.
_CLOCK_S = 0.005
_WINDOW_S = 5.0


class Fault(StrEnum):
    """What must not happen, in the order of its weight."""

    TWICE = "sent twice"
    LOST = "lost"
    DENIED = "sent, but said not to be"
    UNFINISHED = "in no final state"
    UNPROVEN = "unknown although there was proof"
    WRONG_ID = "another message's id"
    TOO_SOON = "sooner than the gap"
    MISTOLD = "told wrongly by events"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that a campaign leaves behind.

    `accepted` are the messages that the daemon has said it took; `wanted` those that somebody handed over at all.
    `gap_min_s` holds between two messages of a session. `patience_s` is how long a send may take.
    """

    wanted: Sequence[Planned]
    accepted: Sequence[Planned]
    ledger: Sequence[LedgerRow]
    books: Sequence[BookEntry]
    breaks: Sequence[Break]
    events: Sequence[Mapping[str, Json]]
    gap_min_s: float
    patience_s: float
    replays: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found; `lines` tells it in words."""

    faults: Mapping[Fault, Sequence[str]]
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Tell whether nothing happened that must not."""
        return not any(self.faults.values())

    def lines(self) -> Iterator[str]:
        """Yield the table, one line each, and the first few of each fault."""
        for fault in Fault:
            found = self.faults.get(fault, ())
            yield f"{fault:36} {len(found):6}"
            yield from (f"    {each}" for each in found[:8])
        for name, count in self.counts.items():
            yield f"{name:36} {count:6}"


def judge(evidence: Evidence) -> Verdict:
    """Return every difference between what was told and what is true."""
    faults: dict[Fault, list[str]] = {fault: [] for fault in Fault}
    for fault, sentence in (
        *_of_chats(evidence),
        *_of_rows(evidence),
        *_of_gaps(evidence),
        *_of_events(evidence),
    ):
        faults[fault].append(sentence)
    return Verdict(faults=faults, counts=_counts(evidence))


def _is_sent(row: LedgerRow) -> bool:
    """Tell whether the daemon says that WhatsApp had it; it may have refused it afterwards."""
    return row.status in _SENT or (row.status == "failed" and row.whatsapp_message_id is not None)


def _of_chats(evidence: Evidence) -> Iterator[tuple[Fault, str]]:
    """Compare the counts of each chat: as much left as was wanted, and as the daemon says."""
    wanted, accepted = _numbers(evidence.wanted), _numbers(evidence.accepted)
    got = Counter((entry.session_id, entry.number) for entry in evidence.books)
    rows: dict[tuple[str, str], list[LedgerRow]] = defaultdict(list)
    for row in evidence.ledger:
        rows[row.session_id, row.number].append(row)
    for chat in sorted({*wanted, *got, *rows}):
        said = Counter("sent" if _is_sent(row) else row.status for row in rows[chat])
        name = f"{'/'.join(chat)}: wanted {wanted[chat]}, accepted {accepted[chat]}, got {got[chat]}, said {dict(said)}"
        if got[chat] > wanted[chat]:
            yield Fault.TWICE, name
        elif got[chat] > said["sent"] + said["unknown"] + said["sending"]:
            yield Fault.DENIED, name
        if len(rows[chat]) < accepted[chat] or got[chat] < said["sent"]:
            yield Fault.LOST, name


def _numbers(messages: Sequence[Planned]) -> Counter[tuple[str, str]]:
    return Counter((message.session_id, message.number) for message in messages)


def _of_rows(evidence: Evidence) -> Iterator[tuple[Fault, str]]:
    """Look at each message by itself."""
    true_ids = {(entry.session_id, entry.message_id): entry.number for entry in evidence.books}
    used = Counter((row.session_id, row.whatsapp_message_id) for row in evidence.ledger if row.whatsapp_message_id)
    got = Counter((entry.session_id, entry.number) for entry in evidence.books)
    for row in evidence.ledger:
        name = f"{row.session_id}/{row.number} {row.message_id} {row.status} {row.error_code or ''}"
        if row.status in _OPEN:
            yield Fault.UNFINISHED, name
        if row.status == "unknown" and (why := _why_proven(row, evidence, got[row.session_id, row.number])):
            yield Fault.UNPROVEN, f"{name}: {why}"
        if row.whatsapp_message_id is not None:
            owner = true_ids.get((row.session_id, row.whatsapp_message_id))
            if owner != row.number or used[row.session_id, row.whatsapp_message_id] > 1:
                yield Fault.WRONG_ID, f"{name}: {row.whatsapp_message_id} went to {owner}"


def _why_proven(row: LedgerRow, evidence: Evidence, got_count: int) -> str | None:
    """Return which proof there was for a message that is `unknown`; None: there was none."""
    if not row.attempts:
        return "it was never asked for"
    is_broken = any(_is_near(row, attempt.at, each, evidence) for attempt in row.attempts for each in evidence.breaks)
    if is_broken:
        return None
    if row.number[-4:] not in UNCERTAIN_ENDINGS:
        return "nothing broke, and this recipient is answered"
    if got_count and row.session_id in evidence.replays and row.route == "api":
        return "its engine knows the answer to its key"
    return None


def _is_near(row: LedgerRow, asked_at: float, broken: Break, evidence: Evidence) -> bool:
    if broken.session_id not in (None, row.session_id):
        return False
    return broken.at - evidence.patience_s - 1.0 <= asked_at <= broken.back_at


def _of_gaps(evidence: Evidence) -> Iterator[tuple[Fault, str]]:
    """Compare when WhatsApp got the messages of a session."""
    by_session: dict[str, list[BookEntry]] = defaultdict(list)
    for entry in evidence.books:
        by_session[entry.session_id].append(entry)
    for session_id, entries in by_session.items():
        for former, latter in pairwise(sorted(entries, key=lambda entry: entry.at)):
            apart_s = latter.at - former.at
            if apart_s < evidence.gap_min_s - _CLOCK_S:
                name = f"{session_id}: {latter.number} came {apart_s:.3f} s after {former.number}"
                yield Fault.TOO_SOON, f"{name}; ended: {_around(former, latter, evidence.breaks)}"


def _around(former: BookEntry, latter: BookEntry, breaks: Sequence[Break]) -> str:
    """Tell what was broken about when two messages left, in seconds from the first of them."""
    near = [each for each in breaks if former.at - 10 < each.back_at and each.at < latter.at]
    return ", ".join(
        f"{'engine' if each.session_id else 'daemon'} {each.at - former.at:+.3f}…{each.back_at - former.at:+.3f}"
        for each in near
        if each.session_id in (None, former.session_id)
    )


def _of_events(evidence: Evidence) -> Iterator[tuple[Fault, str]]:
    """Compare what was told with the state that is shown."""
    told: dict[str, Counter[str]] = defaultdict(Counter)
    for event in evidence.events:
        told[str(event.get("manager_message_id"))][str(event["type"])] += 1
    for row in evidence.ledger:
        of_row = told[row.message_id]
        wanted = _wanted_events(row)
        missing = [name for name in wanted if of_row[name] == 0]
        repeated = [name for name, count in of_row.items() if count > _allowed(name, row)]
        if missing or repeated:
            yield (
                Fault.MISTOLD,
                f"{row.session_id}/{row.number} {row.message_id} {row.status}: {missing=} {repeated=} {dict(of_row)}",
            )


def _wanted_events(row: LedgerRow) -> list[str]:
    if row.status in _SENT:
        return ["message.sent", *([f"message.{row.status}"] if row.status != "sent" else [])]
    return ["message.failed"] if row.status in _TOLD_AS_FAILED else []


def _allowed(event_type: str, row: LedgerRow) -> int:
    """Return how often an event may be told of a message: once, and `unknown` first, then what became of it."""
    return 2 if event_type == "message.failed" and row.status == "failed" else 1


def _counts(evidence: Evidence) -> dict[str, int]:
    got = {(entry.session_id, entry.number) for entry in evidence.books}
    unknown = [row for row in evidence.ledger if row.status == "unknown"]
    healable = [row for row in unknown if (row.session_id, row.number) in got]
    late = [row for row in evidence.ledger if row.status == "failed" and row.number[-4:] in REFUSED_LATER_ENDINGS]
    return {
        "wanted": len(evidence.wanted),
        "accepted": len(evidence.accepted),
        "rows": len(evidence.ledger),
        "in the books": len(evidence.books),
        **{f"  {status}": count for status, count in sorted(Counter(row.status for row in evidence.ledger).items())},
        "refused by WhatsApp afterwards": len(late),
        "unknown and sent": len(healable),
        "unknown and not sent": len(unknown) - len(healable),
        "kills of the daemon": len([each for each in evidence.breaks if each.session_id is None]),
        "kills of engines": len([each for each in evidence.breaks if each.session_id is not None]),
        "sessions at work at once, at most": most_at_once(evidence.books),
    }


def most_at_once(books: Sequence[BookEntry]) -> int:
    """Return how many sessions sent within the same few seconds, at most."""
    windows: dict[int, set[str]] = defaultdict(set)
    for entry in books:
        windows[int(entry.at / _WINDOW_S)].add(entry.session_id)
    return max((len(sessions) for sessions in windows.values()), default=0)
