"""The bundle of `diagnose`: a member that is too large is cut, and says so."""

import tarfile
from pathlib import Path

from openwa_manager.cli.diagnose.diagnose import _CUT, _MEMBER_MAX_BYTES, _tail, _write


def members_of(path: Path) -> dict[str, bytes]:
    """Return what is in a bundle, by name."""
    with tarfile.open(path) as bundle:
        return {each.name: bundle.extractfile(each).read() for each in bundle.getmembers()}  # type: ignore[union-attr]


def test_a_member_that_is_too_large_ends_with_a_note_that_it_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar.gz"

    _write(path, {"large.json": "é" * _MEMBER_MAX_BYTES, "small.json": "{}", "exact.txt": "x" * _MEMBER_MAX_BYTES})

    members = members_of(path)
    assert members["diagnosis/large.json"].endswith(b"\n<cut here: more than 1 MiB>\n")
    assert len(members["diagnosis/large.json"]) == _MEMBER_MAX_BYTES + len(_CUT)
    assert members["diagnosis/small.json"] == b"{}"
    assert members["diagnosis/exact.txt"] == b"x" * _MEMBER_MAX_BYTES


def test_of_a_log_that_is_too_long_the_end_is_kept_from_the_begin_of_a_line() -> None:
    lines = (f"line {number} {'x' * 3000}\n".encode() for number in range(900))

    text = _tail(lines)

    assert len(text) <= _MEMBER_MAX_BYTES
    assert text.startswith("line ")
    assert text.endswith("x\n")
    assert "line 899 " in text
    assert "line 1 " not in text
