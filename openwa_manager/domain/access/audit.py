"""Who did what: one entry of the audit, the chain of hashes that no entry leaves unseen, and many told as one."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Final

from openwa_manager.domain.access.callers import Caller, KeyId
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass

#: How much is kept of a text that a caller chose: the longest name there is has 128 characters.
TEXT_MAX: Final = 200
#: It was let happen. It is said before it is done, so that nothing is ever done that nobody can read of.
ACCEPTED: Final = "accepted"
#: It was not let happen: the caller may not, or asked for what cannot be.
REFUSED: Final = "refused"
#: It was let happen, and something went wrong; a part of it may be done.
FAILED: Final = "failed"
#: Before the first row nothing was.
NO_HASH: Final = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """One thing that was done or tried.

    `actor` names who (a caller's name), `key_id` the key he used (None: none was needed), `address` where he is (None:
    on this host, by the unix socket). `action` is what, mostly an `Action`; `session_id` and `target` say to which
    session and to what beside it. No secret, no code, no text of a message and no number of a person belongs in any.
    """

    actor: str
    action: str
    session_id: SessionId | None = None
    target: str | None = None
    result: str = ACCEPTED
    detail: Mapping[str, Json] = field(default_factory=dict)
    key_id: KeyId | None = None
    address: str | None = None
    request_id: str | None = None

    def clipped(self) -> "NewEntry":
        """Return it with no text longer than is kept."""
        return replace(
            self,
            actor=self.actor[:TEXT_MAX],
            target=None if self.target is None else self.target[:TEXT_MAX],
            key_id=None if self.key_id is None else KeyId(self.key_id[:TEXT_MAX]),
        )


#: Who acts where nobody asked.
DAEMON: Final = "daemon"


def entry_of(caller: Caller, action: str, *, address: str | None = None, request_id: str | None = None) -> NewEntry:
    """Return the entry that says that this caller did it; what it was done to is yet to be said."""
    return NewEntry(actor=caller.name, key_id=caller.key_id, action=action, address=address, request_id=request_id)


#: The action of the entry that tells from which row on the chain goes on, once older ones were removed by age.
TRIMMED: Final = "audit.trim"


def entry_of_beginning(base_seq: int, base_hash: bytes) -> NewEntry:
    """Return the entry that tells that the rows up to this one, with this hash, were removed by age."""
    detail: dict[str, Json] = {"base_seq": base_seq, "base_hash": base_hash.hex()}
    return NewEntry(actor=DAEMON, action=TRIMMED, detail=detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """An entry as it is on disk: `hash` covers it, and the hash of the row before it."""

    seq: int
    at: float
    entry: NewEntry
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainEnds:
    """Between which rows the chain lies.

    `base` is the last one that was removed by age, from which the first one that is left goes on; `head` the newest.
    Both are sequence number and hash; 0 where there was none.
    """

    base_seq: int
    base_hash: bytes
    head_seq: int
    head_hash: bytes


def hash_of(previous: bytes, columns: Sequence[str | float | None]) -> bytes:
    """Return the SHA-256 over the hash of the row before, and all columns of this one as JSON."""
    text = json.dumps(columns, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(previous + text.encode("ascii")).digest()


class _Counted:
    """How often the same was done since it was last told."""

    def __init__(self, entry: NewEntry, at: float) -> None:
        self.entry, self.at, self.count = entry, at, 0


@dataclass(frozen=True, slots=True)
class _Sameness:
    """What two entries have in common that are told as one."""

    actor: str
    key_id: str | None
    action: str
    session_id: str | None
    result: str


class Tally:
    """Tells many entries as one: what the same caller does again and again, and what strangers try.

    `distinct_max` bounds how many are told apart of one caller and action; the others are told together, without their
    session and key, so that nobody fills the disk by asking for ever new ones. With `tells_first` the first one is told
    at once, and once more at each `drain` how many followed.
    """

    def __init__(self, distinct_max: int, *, tells_first: bool) -> None:
        self._distinct_max = distinct_max
        self._tells_first = tells_first
        self._counted: dict[_Sameness, _Counted] = {}
        self._distinct: dict[tuple[str, str], int] = {}

    def add(self, entry: NewEntry, at: float) -> NewEntry | None:
        """Count an entry of wall time `at`; return it if it is to be told at once."""
        kind = entry.actor, entry.action
        known = self._counted.get(_sameness_of(entry))
        if known is None and self._distinct.get(kind, 0) >= self._distinct_max:
            entry = replace(entry, session_id=None, key_id=None, target=None)
            known = self._counted.get(_sameness_of(entry))
        if known is None:
            self._distinct[kind] = self._distinct.get(kind, 0) + 1
            known = self._counted[_sameness_of(entry)] = _Counted(entry, at)
            if self._tells_first:
                return entry
        if not known.count:
            known.at = at
        known.entry, known.count = entry, known.count + 1
        return None

    def drain(self) -> Iterator[tuple[float, NewEntry]]:
        """Yield what was counted since the last time, and when that began; forget what did not come again."""
        counted, self._counted, self._distinct = self._counted, {}, {}
        for key, each in counted.items():
            if not each.count:
                continue
            if self._tells_first:  # it goes on being counted, so that it is told once in a period
                self._counted[key] = _Counted(each.entry, each.at)
                kind = key.actor, key.action
                self._distinct[kind] = self._distinct.get(kind, 0) + 1
            detail = {**each.entry.detail, "count": each.count}
            yield each.at, replace(each.entry, detail=detail, request_id=None)


def _sameness_of(entry: NewEntry) -> _Sameness:
    return _Sameness(entry.actor, entry.key_id, entry.action, entry.session_id, entry.result)


@dataclass(frozen=True, slots=True)
class ChainLink:
    """What is needed to check a row: its number, all that its hash covers, and the hash it says it has.

    One that tells the chain's `beginning` names the last row that is gone, and its hash in hex.
    """

    seq: int
    columns: tuple[str | float | None, ...]
    hash: bytes
    beginning: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFault:
    """What is wrong with the rows from `first_seq` to `last_seq`, in a word and in a sentence."""

    kind: str
    first_seq: int
    last_seq: int

    @property
    def detail(self) -> str:
        """Return it as a sentence."""
        one = self.first_seq == self.last_seq
        rows = f"row {self.first_seq} " if one else f"rows {self.first_seq} to {self.last_seq} "
        return rows + _SENTENCES[self.kind][0 if one else 1]


MISSING: Final = "missing"
CHANGED: Final = "changed"
ADDED: Final = "added"
_SENTENCES = {
    MISSING: ("was removed", "were removed"),
    CHANGED: ("was changed, or stands in the place of another", "were changed, or stand in the place of others"),
    ADDED: ("was added by hand", "were added by hand"),
}
#: So many faults are told one by one.
FAULTS_MAX: Final = 100


class ChainCheck:
    """Looks at the rows one after the other, and finds those that were removed, changed, moved or added.

    `wanted` is a hash that was told earlier: a chain that was made anew as a whole does not have it.
    """

    def __init__(self, ends: ChainEnds, wanted: bytes | None = None) -> None:
        self.faults: list[ChainFault] = []
        self.row_count = 0
        self.seq = ends.base_seq
        self._newest = ends.base_hash
        self._wanted = wanted
        self.has_wanted = wanted == ends.base_hash
        self._beginning = (0, NO_HASH.hex())

    def see(self, link: ChainLink, ends: ChainEnds) -> None:
        """Look at the next row; `ends` are those of the chain when it was read."""
        if ends.base_seq > self.seq:  # the oldest were removed by age meanwhile
            self.seq, self._newest = ends.base_seq, ends.base_hash
        if link.seq > self.seq + 1:
            self._blame(MISSING, self.seq + 1, link.seq - 1)
        elif hash_of(self._newest, link.columns) != link.hash:
            self._blame(CHANGED, link.seq, link.seq)
        if link.seq > ends.head_seq:
            self._blame(ADDED, link.seq, link.seq)
        self.seq, self._newest = link.seq, link.hash
        self.row_count += 1
        self._beginning = link.beginning or self._beginning
        self.has_wanted = self.has_wanted or link.hash == self._wanted

    def finish(self, ends: ChainEnds) -> None:
        """Compare the newest row with what is known of it, and the beginning with what the rows tell of it."""
        if self.seq < ends.head_seq:
            self._blame(MISSING, self.seq + 1, ends.head_seq)
        elif self.seq == ends.head_seq and self._newest != ends.head_hash:
            self._blame(CHANGED, self.seq, self.seq)
        told_seq, told_hash = self._beginning
        if ends.base_seq > told_seq:
            self.faults.insert(0, ChainFault(kind=MISSING, first_seq=told_seq + 1, last_seq=ends.base_seq))
        elif ends.base_hash.hex() != told_hash and not self.faults:
            self._blame(CHANGED, ends.base_seq, ends.base_seq)

    def blame_before(self, first_seq: int, last_seq: int) -> None:
        """Take note of rows that lie before the first one there can be."""
        self.faults.insert(0, ChainFault(kind=ADDED, first_seq=first_seq, last_seq=last_seq))

    def _blame(self, kind: str, first_seq: int, last_seq: int) -> None:
        if len(self.faults) < FAULTS_MAX and not any(each.last_seq >= last_seq for each in self.faults[-1:]):
            self.faults.append(ChainFault(kind=kind, first_seq=first_seq, last_seq=last_seq))
