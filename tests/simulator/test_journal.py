"""Files to which lines are only added, whatever end their writers came to."""

import errno
import resource
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.simulator.journal import Journal

ENTRIES = [{"n": 1, "text": "first"}, {"n": 2, "text": "zwei\nZeilen ☂"}]


def test_what_was_added_is_there_for_the_next_process(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.jsonl")
    for entry in ENTRIES:
        journal.add(entry)

    assert [*Journal(tmp_path / "j.jsonl").entries()] == ENTRIES


@pytest.mark.parametrize("torn_bytes", [1, 70_000, 200_000])
def test_half_a_line_is_cut(tmp_path: Path, torn_bytes: int) -> None:
    path = tmp_path / "j.jsonl"
    Journal(path).add(ENTRIES[0])
    with path.open("ab") as file:
        file.write(b"{" * torn_bytes)

    journal = Journal(path)
    journal.add(ENTRIES[1])

    assert [*journal.entries()] == ENTRIES


def test_a_file_that_is_half_a_line_only_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "j.jsonl").write_bytes(b'{"n":')

    assert Journal(tmp_path / "j.jsonl").lines() == []


@given(after=st.integers(0, 12), limit=st.none() | st.integers(0, 12))
def test_lines_are_read_from_any_place(tmp_path_factory: pytest.TempPathFactory, after: int, limit: int | None) -> None:
    journal = Journal(tmp_path_factory.mktemp("journal") / "j.jsonl")
    for number in range(10):
        journal.add({"n": number})

    end = None if limit is None else after + limit
    assert journal.lines(after, limit) == [b'{"n":%d}' % number for number in range(10)][after:end]


def test_the_end_of_a_long_file_is_read_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.jsonl")
    for number in range(1000):
        journal.add({"n": number})

    (last,) = journal.entries(last_bytes=15)

    assert last == {"n": 999}


def test_a_line_that_is_none_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "j.jsonl").write_bytes(b'{"n":1}\nrubbish\n[2]\n{"n":3}\n')

    assert [*Journal(tmp_path / "j.jsonl").entries()] == [{"n": 1}, {"n": 3}]


def test_a_line_that_does_not_fit_is_not_there_at_all(tmp_path: Path) -> None:
    """A limit on the size of files stands for a disk that is full in the middle of a line."""
    journal = Journal(tmp_path / "j.jsonl")
    journal.add(ENTRIES[0])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
        with pytest.raises(OSError, match="space") as caught:
            journal.add({"text": "x" * 200})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)

    assert caught.value.errno == errno.ENOSPC
    assert [*journal.entries()] == ENTRIES[:1]
