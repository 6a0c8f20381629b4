"""The audit on disk: rows that are only added at the end and, by age, removed at the beginning."""

import sqlite3
from collections.abc import Iterable, Sequence

from openwa_manager.domain.access.audit import (
    NO_HASH,
    TRIMMED,
    AuditRow,
    ChainCheck,
    ChainEnds,
    ChainLink,
    NewEntry,
    entry_of_beginning,
    hash_of,
)
from openwa_manager.domain.access.callers import KeyId
from openwa_manager.domain.access.scopes import EVERY_SESSION, SessionScope
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.store.columns import Column, json_object, query, text, to_json

_Columns = tuple[str | float | None, ...]

#: How many rows one call removes at most, so that no write waits long behind it.
_CHUNK = 500
#: How many are looked through at once, so that no other reader waits long.
_WINDOW = 4_000
#: No row has a higher number: SQLite's largest integer.
SEQ_MAX = 2**63 - 1
#: All but the hash, in the order in which the hash covers them.
_NAMES = ["seq", "at", "actor", "key_id", "action", "session_id", "target", "address", "request_id", "result", "detail"]
#: Texts are read as bytes: what somebody wrote into the file by hand need not be UTF-8.
_SELECTED = ", ".join(
    name if name in ("seq", "at") else f"CAST({name} AS BLOB) AS {name}"  # the names are those above
    for name in _NAMES
)


def append(connection: sqlite3.Connection, entries: Iterable[tuple[float, NewEntry]]) -> None:
    """Add entries, each with the wall time at which it was, behind all others."""
    ends = chain_ends(connection)
    (highest,) = connection.execute("SELECT max(seq) FROM audit").fetchone()
    # A row that somebody has added by hand stays, and is found by a check; what is true goes on behind it.
    seq, newest = max(ends.head_seq, highest or 0), ends.head_hash
    for at, entry in entries:
        seq += 1
        columns = _columns_of(seq, at, entry)
        newest = hash_of(newest, columns)
        connection.execute(_INSERT, (*columns, newest))
    connection.execute(_PUT_HEAD, (seq, newest))


_PUT_HEAD = """
    INSERT INTO audit_chain (is_only, base_seq, base_hash, head_seq, head_hash) VALUES (1, 0, zeroblob(32), ?, ?)
    ON CONFLICT (is_only) DO UPDATE SET head_seq = excluded.head_seq, head_hash = excluded.head_hash"""
_INSERT = f"INSERT INTO audit ({', '.join(_NAMES)}, hash) VALUES ({', '.join('?' * (len(_NAMES) + 1))})"  # noqa: S608 (names from above)


def chain_ends(connection: sqlite3.Connection) -> ChainEnds:
    """Return between which rows the chain lies; where somebody has removed that by hand, between none."""
    row = query(connection, "SELECT base_seq, base_hash, head_seq, head_hash FROM audit_chain").fetchone()
    if row is None:
        return ChainEnds(base_seq=0, base_hash=NO_HASH, head_seq=0, head_hash=NO_HASH)
    return ChainEnds(**dict(row))


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSelection:
    """Which rows are meant: all, or those of one actor (his name or the id of his key), action or session.

    Of a `scope` that is limited only those of its sessions are.
    """

    actor: str | None = None
    action: str | None = None
    session_id: SessionId | None = None
    scope: SessionScope = EVERY_SESSION


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditWindow:
    """A part of the rows that was looked through: those of it that are meant, and at which row the next one begins.

    `end` is None when there are no further rows.
    """

    rows: list[AuditRow]
    end: int | None


def window_after(connection: sqlite3.Connection, after: int, limit: int, selection: AuditSelection) -> AuditWindow:
    """Look through some rows behind `after`; return the first `limit` of them that are meant."""
    end, count = connection.execute(
        "SELECT max(seq), count(*) FROM (SELECT seq FROM audit WHERE seq > ? ORDER BY seq LIMIT ?)", (after, _WINDOW)
    ).fetchone()
    where, values = _where(selection)
    sql = f"SELECT {_SELECTED}, hash FROM audit WHERE seq > ? AND seq <= ? AND {where} ORDER BY seq LIMIT ?"  # noqa: S608 (our own words)
    rows = [_row_of(each) for each in query(connection, sql, (after, end, *values, limit))]
    return AuditWindow(rows=rows, end=end if count == _WINDOW else None)


def window_before(connection: sqlite3.Connection, before: int, limit: int, selection: AuditSelection) -> AuditWindow:
    """Look through some rows before `before`; return the last `limit` of them that are meant, newest first."""
    end, count = connection.execute(
        "SELECT min(seq), count(*) FROM (SELECT seq FROM audit WHERE seq < ? ORDER BY seq DESC LIMIT ?)",
        (before, _WINDOW),
    ).fetchone()
    where, values = _where(selection)
    sql = f"SELECT {_SELECTED}, hash FROM audit WHERE seq < ? AND seq >= ? AND {where} ORDER BY seq DESC LIMIT ?"  # noqa: S608 (our own words)
    rows = [_row_of(each) for each in query(connection, sql, (before, end, *values, limit))]
    return AuditWindow(rows=rows, end=end if count == _WINDOW else None)


def _where(selection: AuditSelection) -> tuple[str, list[Column]]:
    terms, values = ["1"], list[Column]()
    if selection.actor is not None:
        terms.append("(actor = ? OR key_id = ?)")
        values += [selection.actor, selection.actor]
    if selection.action is not None:
        terms.append("action = ?")
        values.append(selection.action)
    if selection.session_id is not None:
        terms.append("session_id = ?")
        values.append(selection.session_id)
    if not selection.scope.is_unlimited:  # a pattern holds nothing but a `*` that means something to GLOB
        terms.append("(0" + " OR session_id GLOB ?" * len(selection.scope.patterns) + ")")
        values += selection.scope.patterns
    return " AND ".join(terms), values


def check_some(connection: sqlite3.Connection, check: ChainCheck, limit: int) -> bool:
    """Have the next `limit` rows checked; return whether others may follow. Without any, the check is finished."""
    ends = chain_ends(connection)
    sql = f"SELECT {_SELECTED}, hash FROM audit WHERE seq > ? ORDER BY seq LIMIT ?"  # noqa: S608 (our own words)
    rows = connection.execute(sql, (check.seq, limit)).fetchall()
    for row in rows:
        columns = _decoded(row[:-1])
        check.see(ChainLink(row[0], columns, row[-1], _beginning_in(columns)), ends)
    if not rows:
        check.finish(ends)
        before = connection.execute("SELECT min(seq), max(seq) FROM audit WHERE seq <= ?", (ends.base_seq,)).fetchone()
        if before[0] is not None:  # what was removed by age is gone
            check.blame_before(*before)
    return bool(rows)


def _beginning_in(columns: _Columns) -> tuple[int, str] | None:
    told = dict(zip(_NAMES, columns, strict=True))
    if told["action"] != TRIMMED:
        return None
    detail = json_object(str(told["detail"]))
    seq, newest = detail.get("base_seq"), detail.get("base_hash")
    return (seq, newest) if isinstance(seq, int) and isinstance(newest, str) else None


def forget_old(connection: sqlite3.Connection, before_at: float, now: float) -> int:
    """Remove some of the oldest rows that are all from before `before_at`; return how many, 0 when none is left.

    A row that is younger keeps all behind it: the chain is only ever cut at its beginning. A new row, of wall time
    `now`, tells where it begins from then on.
    """
    oldest = connection.execute("SELECT seq, at, hash FROM audit ORDER BY seq LIMIT ?", (_CHUNK,)).fetchall()
    count = next((index for index, (_, at, _) in enumerate(oldest) if at >= before_at), len(oldest))
    if count:
        seq, _, newest = oldest[count - 1]
        connection.execute("DELETE FROM audit WHERE seq <= ?", (seq,))
        connection.execute("UPDATE audit_chain SET base_seq = ?, base_hash = ?", (seq, newest))
        append(connection, [(now, entry_of_beginning(seq, newest))])
    return count


def _columns_of(seq: int, at: float, entry: NewEntry) -> _Columns:
    written = entry.clipped()
    words = (
        *(written.actor, written.key_id, written.action, written.session_id),
        *(written.target, written.address, written.request_id, written.result),
    )
    detail = to_json(dict(sorted(written.detail.items())))
    return (seq, float(at), *(None if word is None else text(word) for word in words), detail)


def _row_of(row: sqlite3.Row) -> AuditRow:
    seq, at, *words = _decoded(tuple(row)[:-1])
    told = dict(zip(_NAMES[2:], (None if word is None else text(str(word)) for word in words), strict=True))
    entry = NewEntry(
        actor=told["actor"] or "",
        action=told["action"] or "",
        session_id=None if (session_id := told["session_id"]) is None else SessionId(session_id),
        target=told["target"],
        result=told["result"] or "",
        detail=json_object(told["detail"] or ""),
        key_id=None if (key_id := told["key_id"]) is None else KeyId(key_id),
        address=told["address"],
        request_id=told["request_id"],
    )
    return AuditRow(seq=int(seq or 0), at=_plausible(float(at or 0)), entry=entry, hash=bytes(row["hash"]))


def _plausible(at: float) -> float:
    """Return a wall time that can be told as a date: what somebody wrote by hand may be none, and is 1970 then."""
    return at if 0 <= at < _YEAR_10000 else 0.0


#: Where dates end (datetime.MAXYEAR), in seconds since 1970.
_YEAR_10000 = 253_402_300_800.0


def _decoded(columns: Sequence[bytes | float | None]) -> _Columns:
    return tuple(each.decode("utf-8", "surrogateescape") if isinstance(each, bytes) else each for each in columns)
