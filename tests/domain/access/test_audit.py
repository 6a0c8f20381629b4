from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.access.audit import (
    ADDED,
    CHANGED,
    FAULTS_MAX,
    MISSING,
    NO_HASH,
    REFUSED,
    TEXT_MAX,
    ChainCheck,
    ChainEnds,
    ChainFault,
    ChainLink,
    NewEntry,
    Tally,
    entry_of,
    hash_of,
)
from openwa_manager.domain.access.callers import UNIX_SOCKET, KeyId
from openwa_manager.domain.session.session import SessionId

ENTRY = NewEntry(actor="shop", action="message.send", session_id=SessionId("acme"))
COLUMNS = st.lists(st.none() | st.text() | st.floats(allow_nan=False) | st.integers(), min_size=1)


@given(previous=st.binary(min_size=32, max_size=32), columns=COLUMNS, other=COLUMNS)
def test_another_row_has_another_hash(
    previous: bytes, columns: list[str | float | None], other: list[str | float | None]
) -> None:
    assert (hash_of(previous, columns) == hash_of(previous, other)) == (repr(columns) == repr(other))
    assert hash_of(previous, columns) != hash_of(hash_of(previous, columns), columns)


def test_words_that_run_together_are_told_apart() -> None:
    assert hash_of(NO_HASH, ["ab", "c"]) != hash_of(NO_HASH, ["a", "bc"])
    assert hash_of(NO_HASH, ["a", None]) != hash_of(NO_HASH, ["a", "null"])


def test_an_entry_names_its_caller() -> None:
    entry = entry_of(UNIX_SOCKET, "key.create", request_id="r-1")

    assert (entry.actor, entry.key_id, entry.address, entry.request_id) == ("unix socket", None, None, "r-1")


def test_what_a_caller_chose_is_kept_up_to_a_length() -> None:
    long = "x" * 10_000

    entry = replace(ENTRY, actor=long, target=long, key_id=KeyId(long)).clipped()

    assert {len(entry.actor), len(entry.target or ""), len(entry.key_id or "")} == {TEXT_MAX}


def test_what_is_done_often_is_told_once_with_its_count() -> None:
    tally = Tally(10, tells_first=False)

    told = [tally.add(ENTRY, at) for at in (7.0, 8.0, 9.0)]

    assert told == [None] * 3
    assert list(tally.drain()) == [(7.0, replace(ENTRY, detail={"count": 3}))]
    assert list(tally.drain()) == []


def test_what_is_refused_is_told_at_once_and_then_once_in_a_period() -> None:
    tally = Tally(10, tells_first=True)
    refused = replace(ENTRY, result=REFUSED, detail={"status": 403})

    told = [tally.add(refused, at) for at in (1.0, 2.0, 3.0)]

    assert told == [refused, None, None]
    assert list(tally.drain()) == [(2.0, replace(refused, detail={"status": 403, "count": 2}))]
    assert tally.add(refused, 61.0) is None
    assert list(tally.drain()) == [(61.0, replace(refused, detail={"status": 403, "count": 1}))]
    assert list(tally.drain()) == []
    assert tally.add(refused, 200.0) == refused


def test_nobody_makes_more_rows_than_a_bound_by_asking_for_ever_new_things() -> None:
    tally = Tally(10, tells_first=True)

    at_once = [tally.add(replace(ENTRY, session_id=SessionId(f"s{number}")), 1.0) for number in range(1000)]
    later = list(tally.drain())

    assert len([each for each in at_once if each]) == 11
    assert later == [(1.0, replace(ENTRY, session_id=None, detail={"count": 989}))]


def test_the_bound_holds_for_each_caller_and_action_apart() -> None:
    tally = Tally(1, tells_first=True)
    tally.add(ENTRY, 1.0)

    assert tally.add(replace(ENTRY, actor="other", session_id=SessionId("b")), 1.0) is not None
    assert tally.add(replace(ENTRY, action="session.stop", session_id=SessionId("b")), 1.0) is not None


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (ChainFault(kind=MISSING, first_seq=3, last_seq=3), "row 3 was removed"),
        (ChainFault(kind=MISSING, first_seq=3, last_seq=9), "rows 3 to 9 were removed"),
        (ChainFault(kind=ADDED, first_seq=3, last_seq=3), "row 3 was added by hand"),
    ],
)
def test_a_fault_is_told_in_a_sentence(fault: ChainFault, sentence: str) -> None:
    assert fault.detail == sentence


def test_a_chain_without_a_sound_row_is_told_up_to_a_bound() -> None:
    ends = ChainEnds(base_seq=0, base_hash=NO_HASH, head_seq=1000, head_hash=NO_HASH)
    check = ChainCheck(ends)

    for seq in range(1, 1001):
        check.see(ChainLink(seq, (seq,), NO_HASH), ends)

    assert len(check.faults) == FAULTS_MAX


def test_a_beginning_that_was_moved_with_its_hash_is_a_changed_row() -> None:
    ends = ChainEnds(base_seq=0, base_hash=b"moved", head_seq=0, head_hash=b"moved")
    check = ChainCheck(ends)

    check.finish(ends)

    assert check.faults == [ChainFault(kind=CHANGED, first_seq=0, last_seq=0)]
