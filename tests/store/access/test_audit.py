import sqlite3
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openwa_manager.domain.access.audit import (
    ADDED,
    CHANGED,
    MISSING,
    TRIMMED,
    AuditRow,
    ChainCheck,
    NewEntry,
    entry_of_beginning,
)
from openwa_manager.domain.access.callers import KeyId
from openwa_manager.domain.access.scopes import scope_of
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.access.audit import (
    SEQ_MAX,
    AuditSelection,
    append,
    chain_ends,
    check_some,
    forget_old,
    window_after,
    window_before,
)

ALL = AuditSelection()
NOW = 100.0
ENTRY = NewEntry(actor="shop", action="session.stop", session_id=SessionId("acme"))


def entries(*session_ids: str | None) -> list[tuple[float, NewEntry]]:
    return [
        (float(at), replace(ENTRY, session_id=None if each is None else SessionId(each)))
        for at, each in enumerate(session_ids, 1)
    ]


def read_after(connection: sqlite3.Connection, after: int, limit: int, selection: AuditSelection) -> list[AuditRow]:
    return window_after(connection, after, limit, selection).rows


def read_newest(connection: sqlite3.Connection, limit: int, selection: AuditSelection) -> list[AuditRow]:
    return window_before(connection, SEQ_MAX, limit, selection).rows[::-1]


def sessions_of(connection: sqlite3.Connection, selection: AuditSelection) -> list[str | None]:
    return [each.entry.session_id for each in read_after(connection, 0, 100, selection)]


@given(
    words=st.lists(st.text(max_size=50), min_size=5, max_size=5),
    at=st.floats(0, 4e9),
    detail=st.dictionaries(st.text(max_size=5), st.none() | st.integers(-(2**53), 2**53) | st.text(max_size=9)),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_row_is_read_as_it_was_written_and_fits_its_hash(
    connection: sqlite3.Connection, words: list[str], at: float, detail: dict[str, str | int | None]
) -> None:
    actor, target, key_id, address, result = words
    entry = replace(ENTRY, actor=actor, target=target, key_id=KeyId(key_id), address=address, result=result)
    before = chain_ends(connection)

    append(connection, [(at, replace(entry, detail=detail))])

    (row,) = read_newest(connection, 1, ALL)
    assert (row.at, row.entry) == (at, replace(entry, detail=detail))
    assert chain_ends(connection).head_hash == row.hash != before.head_hash
    assert faults_of(connection) == []


def test_rows_are_chained_over_several_groups(connection: sqlite3.Connection) -> None:
    append(connection, entries("a", "b"))
    append(connection, entries("c"))
    append(connection, [])

    assert [each.seq for each in read_after(connection, 0, 9, ALL)] == [1, 2, 3]
    assert chain_ends(connection).head_seq == 3
    assert faults_of(connection) == []


def test_rows_are_chosen_by_actor_key_action_and_session(connection: sqlite3.Connection) -> None:
    by_key = replace(ENTRY, key_id=KeyId("k1"), action="session.start", session_id=SessionId("b"))
    append(connection, [(1.0, ENTRY), (2.0, by_key)])

    assert sessions_of(connection, AuditSelection(actor="shop")) == ["acme", "b"]
    assert sessions_of(connection, AuditSelection(actor="k1")) == ["b"]
    assert sessions_of(connection, AuditSelection(action="session.stop")) == ["acme"]
    assert sessions_of(connection, AuditSelection(session_id=SessionId("b"))) == ["b"]


@pytest.mark.parametrize(
    ("patterns", "seen"),
    [(["user_1_*"], ["user_1_a"]), (["user_10_a"], ["user_10_a"]), (["*"], ["user_1_a", "user_10_a", None]), ([], [])],
)
def test_a_scope_shows_the_rows_of_its_sessions_alone(
    connection: sqlite3.Connection, patterns: list[str], seen: list[str | None]
) -> None:
    append(connection, entries("user_1_a", "user_10_a", None))

    assert sessions_of(connection, AuditSelection(scope=scope_of(patterns))) == seen


def test_pages_follow_each_other_and_the_newest_come_in_order(connection: sqlite3.Connection) -> None:
    append(connection, entries("a", "b", "c"))

    assert [each.seq for each in read_after(connection, 1, 1, ALL)] == [2]
    assert [each.seq for each in read_newest(connection, 2, ALL)] == [2, 3]


def test_old_rows_are_cut_off_at_the_beginning_and_the_chain_goes_on(connection: sqlite3.Connection) -> None:
    append(connection, entries("a", "b", "c", "d"))
    second = read_after(connection, 1, 1, ALL)[0]

    assert forget_old(connection, before_at=3.0, now=NOW) == 2
    assert forget_old(connection, before_at=3.0, now=NOW) == 0

    ends = chain_ends(connection)
    assert (ends.base_seq, ends.base_hash) == (2, second.hash)
    assert [each.seq for each in read_after(connection, 0, 9, ALL)] == [3, 4, 5]
    assert read_newest(connection, 1, ALL)[0].entry == entry_of_beginning(2, second.hash)
    assert faults_of(connection) == []


MOVED = """
    UPDATE audit_chain SET (base_seq, base_hash) = (SELECT seq, hash FROM audit WHERE seq = {seq});
    DELETE FROM audit WHERE seq <= {seq};"""
FORGED_HASH = "UPDATE audit_chain SET base_hash = randomblob(32)"


@pytest.mark.parametrize(
    ("trimmed", "by_hand", "faults"),
    [
        (False, MOVED.format(seq=3), [(MISSING, 1, 3)]),
        (True, MOVED.format(seq=3), [(MISSING, 3, 3)]),
        (True, MOVED.format(seq=6), [(MISSING, 1, 6)]),
        (True, MOVED.format(seq=6) + FORGED_HASH, [(MISSING, 1, 6), (CHANGED, 6, 6)]),
    ],
)
def test_a_beginning_that_was_moved_by_hand_with_its_hash_is_found(
    connection: sqlite3.Connection, trimmed: bool, by_hand: str, faults: list[tuple[str, int, int]]
) -> None:
    append(connection, entries("a", "b", "c", "d", "e"))
    if trimmed:
        assert forget_old(connection, before_at=3.0, now=NOW) == 2

    connection.executescript(by_hand)

    assert faults_of(connection) == faults


def test_the_beginning_is_known_after_many_cuts(connection: sqlite3.Connection) -> None:
    for at in range(1, 5):
        append(connection, [(float(at), ENTRY)])
        forget_old(connection, before_at=at + 0.5, now=float(at))

    assert [each.entry.action for each in read_after(connection, 0, 9, ALL)] == [TRIMMED]
    assert faults_of(connection) == []


def test_a_young_row_keeps_those_behind_it(connection: sqlite3.Connection) -> None:
    append(connection, [(1.0, ENTRY), (9.0, ENTRY), (2.0, ENTRY)])

    assert forget_old(connection, before_at=5.0, now=NOW) == 1
    assert [each.seq for each in read_after(connection, 0, 9, ALL)] == [2, 3, 4]


def test_numbers_go_on_when_all_is_forgotten(connection: sqlite3.Connection) -> None:
    append(connection, entries("a", "b"))
    forget_old(connection, before_at=10.0, now=NOW)

    append(connection, entries("c"))

    assert [each.seq for each in read_after(connection, 0, 9, ALL)] == [3, 4]
    assert faults_of(connection) == []


def test_bytes_that_are_no_text_are_found_and_can_be_read(connection: sqlite3.Connection) -> None:
    append(connection, entries("a"))

    connection.execute("UPDATE audit SET actor = CAST(x'ff' AS TEXT)")

    assert faults_of(connection) == [(CHANGED, 1, 1)]
    assert read_newest(connection, 1, ALL)[0].entry.actor == "?"


CUT = "DELETE FROM audit WHERE seq "
SWAPPED = """
    CREATE TEMP TABLE kept AS SELECT * FROM audit WHERE seq IN (3, 4);
    DELETE FROM audit WHERE seq IN (3, 4);
    UPDATE kept SET seq = 7 - seq;
    INSERT INTO audit SELECT * FROM kept"""
REPEATED = """
    CREATE TEMP TABLE kept AS SELECT * FROM audit WHERE seq = 6;
    UPDATE kept SET seq = 7;
    INSERT INTO audit SELECT * FROM kept"""


@pytest.mark.parametrize(
    ("by_hand", "faults"),
    [
        (CUT + "= 3", [(MISSING, 3, 3)]),
        (CUT + "IN (2, 3, 5)", [(MISSING, 2, 3), (MISSING, 5, 5)]),
        (CUT + "<= 2", [(MISSING, 1, 2)]),
        (CUT + ">= 5", [(MISSING, 5, 6)]),
        (CUT + "> 0", [(MISSING, 1, 6)]),
        ("UPDATE audit SET actor = 'somebody else' WHERE seq = 2", [(CHANGED, 2, 2)]),
        ("UPDATE audit SET at = at + 1 WHERE seq = 6", [(CHANGED, 6, 6)]),
        ("UPDATE audit SET target = '' WHERE seq = 1", [(CHANGED, 1, 1)]),
        ("UPDATE audit SET detail = '{ }' WHERE seq = 1", [(CHANGED, 1, 1)]),
        ("UPDATE audit SET hash = zeroblob(32) WHERE seq = 6", [(CHANGED, 6, 6)]),
        ("UPDATE audit SET hash = zeroblob(32) WHERE seq = 2", [(CHANGED, 2, 2), (CHANGED, 3, 3)]),
        (SWAPPED, [(CHANGED, 3, 3), (CHANGED, 4, 4), (CHANGED, 5, 5)]),
        (REPEATED, [(CHANGED, 7, 7)]),
        ("UPDATE audit_chain SET head_hash = zeroblob(32)", [(CHANGED, 6, 6)]),
        ("UPDATE audit_chain SET base_hash = randomblob(32)", [(CHANGED, 1, 1)]),
    ],
)  # fmt: skip
def test_what_is_changed_by_hand_is_found(
    connection: sqlite3.Connection, by_hand: str, faults: list[tuple[str, int, int]]
) -> None:
    append(connection, entries("a", "b", "c", "d", "e", "f"))
    assert faults_of(connection) == []

    connection.executescript(by_hand)

    assert faults_of(connection) == faults


def test_a_chain_made_anew_is_found_by_a_hash_that_was_told_before(connection: sqlite3.Connection) -> None:
    append(connection, entries("a", "b", "c"))
    told = chain_ends(connection).head_hash
    assert checked(connection, told).has_wanted

    connection.executescript("DELETE FROM audit; UPDATE audit_chain SET head_seq = 0, head_hash = zeroblob(32)")
    append(connection, entries("a", "c"))

    check = checked(connection, told)
    assert check.faults == []
    assert not check.has_wanted


def test_a_row_behind_the_newest_was_added(connection: sqlite3.Connection) -> None:
    append(connection, entries("a", "b"))
    (newest,) = read_after(connection, 0, 1, ALL)

    connection.execute("UPDATE audit_chain SET head_seq = 1, head_hash = ?", (newest.hash,))

    assert faults_of(connection) == [(ADDED, 2, 2)]


def test_rows_that_are_removed_by_age_during_a_check_are_not_missed(connection: sqlite3.Connection) -> None:
    append(connection, entries("a", "b", "c", "d"))
    check = ChainCheck(chain_ends(connection))
    check_some(connection, check, 1)

    forget_old(connection, before_at=4.0, now=NOW)

    while check_some(connection, check, 1):
        pass
    assert check.faults == []
    assert check.row_count == 3


def checked(connection: sqlite3.Connection, wanted: bytes | None = None) -> ChainCheck:
    check = ChainCheck(chain_ends(connection), wanted)
    while check_some(connection, check, 2):
        pass
    return check


def faults_of(connection: sqlite3.Connection) -> list[tuple[str, int, int]]:
    return [(each.kind, each.first_seq, each.last_seq) for each in checked(connection).faults]


def forge(connection: sqlite3.Connection, seq: int, like: int) -> None:
    """Add a row by hand that is like another one."""
    connection.execute("CREATE TEMP TABLE forged AS SELECT * FROM audit WHERE seq = ?", (like,))
    connection.execute("UPDATE forged SET seq = ?, actor = 'FORGED'", (seq,))
    connection.execute("INSERT INTO audit SELECT * FROM forged")
    connection.execute("DROP TABLE forged")


def test_rows_before_the_first_there_can_be_are_found(connection: sqlite3.Connection) -> None:
    append(connection, entries("a", "b", "c"))
    forget_old(connection, 2.5, NOW)
    for seq in (0, -5, 2):
        forge(connection, seq, 3)

    assert faults_of(connection) == [(ADDED, -5, 2)]


def test_a_row_added_by_hand_stops_nothing_and_is_found(connection: sqlite3.Connection) -> None:
    append(connection, entries("a", "b"))
    forge(connection, 3, 2)

    append(connection, entries("c"))

    assert [each.entry.session_id for each in read_newest(connection, 1, ALL)] == ["c"]
    assert faults_of(connection) != []


def test_a_chain_whose_ends_were_removed_goes_on_and_is_found_out(connection: sqlite3.Connection) -> None:
    append(connection, entries("a", "b"))
    connection.execute("DELETE FROM audit_chain")
    assert faults_of(connection) != []

    append(connection, entries("c"))

    assert chain_ends(connection).head_seq == 3
    assert faults_of(connection) != []


@pytest.mark.parametrize("at", ["9e999", "-9e999", "1e300", "-1e12"])
def test_a_time_that_is_no_date_can_be_read(connection: sqlite3.Connection, at: str) -> None:
    append(connection, entries("a"))
    connection.execute(f"UPDATE audit SET at = {at}")  # noqa: S608 - one of the above

    (row,) = read_newest(connection, 1, ALL)

    assert row.at == 0.0
    assert faults_of(connection) == [(CHANGED, 1, 1)]
