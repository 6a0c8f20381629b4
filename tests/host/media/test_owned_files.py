"""Files that somebody needs for a while."""

from pathlib import Path

import pytest

from openwa_manager.domain.errors import StorageFullError
from openwa_manager.host.media.owned_files import HEAD_BYTES, OwnedFiles
from tests.fakes.small_disk import small_disk


def names_below(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def put(files: OwnedFiles, owner: str, name: str, content: bytes = b"content") -> None:
    spool = files.spool(owner, name)
    spool.write(content)
    spool.finish()


def test_a_file_appears_once_it_is_whole(tmp_path: Path) -> None:
    files = OwnedFiles(tmp_path)
    spool = files.spool("msg_1", "a")

    spool.write(b"x" * 3000)
    spool.write(b"y" * 3000)
    assert files.find("msg_1", "a") is None
    stored = spool.finish()

    assert files.find("msg_1", "a") == stored
    assert (stored.size_bytes, stored.head) == (6000, (b"x" * 3000 + b"y" * 3000)[:HEAD_BYTES])
    assert (stored.path.stat().st_mode & 0o777, stored.path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_an_empty_file_is_one(tmp_path: Path) -> None:
    assert OwnedFiles(tmp_path).spool("msg_1", "a").finish().size_bytes == 0


def test_what_is_discarded_leaves_nothing_and_takes_nothing(tmp_path: Path) -> None:
    files = OwnedFiles(tmp_path)
    begun, unbegun = files.spool("msg_1", "a"), files.spool("msg_1", "b")
    begun.write(b"x")

    for spool in (begun, unbegun):
        spool.abandon()
        spool.abandon()
        with pytest.raises(StorageFullError, match="cannot be written"):
            spool.write(b"y")
        with pytest.raises(StorageFullError, match="cannot be written"):
            spool.finish()

    assert names_below(tmp_path) == set()


def test_what_is_finished_can_still_be_discarded(tmp_path: Path) -> None:
    files = OwnedFiles(tmp_path)
    put(files, "msg_1", "a")
    spool = files.spool("msg_1", "b")
    spool.write(b"x")
    spool.finish()

    spool.abandon()

    assert names_below(tmp_path) == {"msg_1/a"}


def test_on_a_full_disk_nothing_is_left(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64k") as disk:
        files = OwnedFiles(disk)
        spool = files.spool("msg_1", "a")

        with pytest.raises(StorageFullError, match="No space left"):
            spool.write(b"x" * 100_000)
        spool.abandon()

        assert names_below(disk) == set()
        put(files, "msg_1", "a")


def test_a_disk_that_is_full_at_the_end_leaves_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4k") as disk:
        spool = OwnedFiles(disk).spool("msg_1", "a")
        for _ in range(5):
            spool.write(b"x" * 1000)  # some of it is still in memory

        with pytest.raises(StorageFullError, match="No space left"):
            spool.finish()
        spool.abandon()

        assert names_below(disk) == set()


def test_what_lies_in_the_way_is_told_like_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "msg_1").mkdir()
    (tmp_path / "msg_1" / ".a.new").mkdir()
    spool = OwnedFiles(tmp_path).spool("msg_1", "a")

    with pytest.raises(StorageFullError, match="cannot be written"):
        spool.write(b"x")
    spool.abandon()


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "msg_1" / "a").mkdir(parents=True)

    with pytest.raises(StorageFullError, match="cannot be read"):
        OwnedFiles(tmp_path).find("msg_1", "a")


def test_the_files_of_an_owner_go_together(tmp_path: Path) -> None:
    files = OwnedFiles(tmp_path)
    for owner, name in (("batch_1", "a"), ("batch_1", "b"), ("batch_2", "a")):
        put(files, owner, name)

    files.remove("batch_1")
    files.remove("batch_9")

    assert names_below(tmp_path) == {"batch_2/a"}


def test_the_sweep_leaves_what_somebody_needs_and_is_whole(tmp_path: Path) -> None:
    files = OwnedFiles(tmp_path)
    for owner, name in (("batch_1", "a"), ("batch_1", "b"), ("batch_2", "a")):
        put(files, owner, name)
    (tmp_path / "batch_1" / ".c.new").write_bytes(b"half")
    (tmp_path / "stray").write_bytes(b"x")
    (tmp_path / "batch_3").symlink_to(tmp_path / "batch_1")

    sizes = files.sweep({"batch_1", "batch_3", "batch_4"})

    assert sizes == {"batch_1": 14}
    assert names_below(tmp_path) == {"batch_1/a", "batch_1/b"}
    assert [path.name for path in tmp_path.iterdir()] == ["batch_1"]


@pytest.mark.parametrize("name", ["", "..", "a/b", ".a", "a\0", "é", "x" * 129])
def test_no_name_leads_elsewhere(tmp_path: Path, name: str) -> None:
    files = OwnedFiles(tmp_path)

    for owner, file in ((name, "a"), ("a", name)):
        with pytest.raises(ValueError, match="no name of a file"):
            files.find(owner, file)
    with pytest.raises(ValueError, match="no name of a file"):
        files.remove(name)
