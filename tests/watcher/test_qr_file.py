"""Reading, writing and removing one `qr.png`."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from openwa_manager.domain.foreign_path import of_session
from openwa_manager.domain.session.png import PNG_MAX_BYTES, is_whole_png
from openwa_manager.watcher.qr_file import read_changed_qr, read_qr, remove_qr, write_qr
from tests.fakes.opens import noted_opens
from tests.watcher.images import png


def test_an_image_that_is_written_can_be_read_back(tmp_path: Path) -> None:
    write_qr(of_session(tmp_path), png(b"a"))

    found = read_qr(of_session(tmp_path))

    assert found is not None
    assert found[0] == png(b"a")
    assert found[1].modified_at == (tmp_path / "qr.png").stat().st_mtime


def test_a_file_that_is_as_it_was_is_not_read_again(tmp_path: Path) -> None:
    directory = of_session(tmp_path)
    write_qr(directory, png(b"a"))
    first = read_changed_qr(directory, None)
    assert first is not None

    again = read_changed_qr(directory, first[1])
    write_qr(directory, png(b"b"))
    changed = read_changed_qr(directory, first[1])
    remove_qr(directory)

    assert first[0] == png(b"a")
    assert again == (b"", first[1])
    assert changed is not None
    assert changed[0] == png(b"b")
    assert read_changed_qr(directory, changed[1]) is None


def test_an_image_is_for_its_owner_only(tmp_path: Path) -> None:
    write_qr(of_session(tmp_path), png())

    assert (tmp_path / "qr.png").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["qr.png"]


def test_writing_replaces_a_link_and_leaves_its_target_alone(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    for name in ("qr.png", ".qr.png.new"):
        (tmp_path / name).symlink_to(target)

    write_qr(of_session(tmp_path), png())

    assert target.read_bytes() == b"precious"
    assert is_whole_png((tmp_path / "qr.png").read_bytes())
    assert not (tmp_path / "qr.png").is_symlink()


def test_removing_is_done_once_and_asked_for_as_often_as_you_like(tmp_path: Path) -> None:
    write_qr(of_session(tmp_path), png())

    remove_qr(of_session(tmp_path))
    remove_qr(of_session(tmp_path))
    remove_qr(of_session(tmp_path / "gone"))

    assert read_qr(of_session(tmp_path)) is None


def link_to_file(place: Path, outside: Path) -> None:
    (place / "qr.png").symlink_to(outside / "qr.png")


def pipe(place: Path, outside: Path) -> None:
    del outside
    os.mkfifo(place / "qr.png")


def folder(place: Path, outside: Path) -> None:
    del outside
    (place / "qr.png").mkdir()


def giant(place: Path, outside: Path) -> None:
    del outside
    (place / "qr.png").write_bytes(b"\x00" * (PNG_MAX_BYTES + 1))


@pytest.mark.parametrize("make", [link_to_file, pipe, folder, giant])
def test_only_a_plain_file_of_sane_size_is_read(tmp_path: Path, make: Callable[[Path, Path], None]) -> None:
    place, outside = tmp_path / "alice", tmp_path / "bob"
    for each in (place, outside):
        each.mkdir()
    write_qr(of_session(outside), png())

    make(place, outside)

    assert read_qr(of_session(place)) is None


def test_a_session_directory_that_is_a_link_is_not_entered(tmp_path: Path) -> None:
    (tmp_path / "bob").mkdir()
    write_qr(of_session(tmp_path / "bob"), png())
    (tmp_path / "alice").symlink_to(tmp_path / "bob")

    assert read_qr(of_session(tmp_path / "alice")) is None


def test_an_image_is_removed_only_if_it_is_the_one_that_is_meant(tmp_path: Path) -> None:
    write_qr(of_session(tmp_path), png(b"next"))

    remove_qr(of_session(tmp_path), hashlib.sha256(png(b"last")).hexdigest())
    is_left = (tmp_path / "qr.png").exists()
    remove_qr(of_session(tmp_path), hashlib.sha256(png(b"next")).hexdigest())

    assert (is_left, (tmp_path / "qr.png").exists()) == (True, False)


def test_to_see_that_nothing_has_changed_nothing_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory, opened = of_session(tmp_path), noted_opens(monkeypatch)

    assert read_changed_qr(directory, None) is None
    assert opened == []

    write_qr(directory, png(b"a"))
    first = read_changed_qr(directory, None)
    assert first is not None
    assert opened != []

    opened.clear()
    assert read_changed_qr(directory, first[1]) == (b"", first[1])
    assert opened == []


def test_an_image_behind_a_link_is_none_even_if_another_was_there_before(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "neighbour").mkdir()
    write_qr(of_session(tmp_path / "own"), png(b"own"))
    write_qr(of_session(tmp_path / "neighbour"), png(b"neighbour"))
    before = read_changed_qr(of_session(tmp_path / "own"), None)
    assert before is not None

    remove_qr(of_session(tmp_path / "own"))
    (tmp_path / "own").rmdir()
    (tmp_path / "own").symlink_to(tmp_path / "neighbour")

    assert read_changed_qr(of_session(tmp_path / "own"), before[1]) is None
