import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from openwa_manager.host.files import F_FULLFSYNC, replacing, sync_file, write_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secret"


def write_half(path: Path) -> None:
    with replacing(path) as file:
        file.write(b"half")
        raise ZeroDivisionError


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file_is_made_with_its_content_and_nothing_beside_it(path: Path) -> None:
    write_file(path, b"content")

    assert path.read_bytes() == b"content"
    assert names(path.parent) == ["secret"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_only_the_owner_may_read_it_whatever_the_umask_is(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_file(path, b"content")
    finally:
        os.umask(before)

    assert path.stat().st_mode & 0o777 == 0o600


def test_others_may_read_it_where_that_is_asked_for(path: Path) -> None:
    write_file(path, b"content", 0o644)

    assert path.stat().st_mode & 0o777 == 0o644


def test_a_file_that_others_could_read_is_theirs_no_more(path: Path) -> None:
    path.write_bytes(b"old")
    path.chmod(0o644)

    write_file(path, b"new", is_durable=False)

    assert path.stat().st_mode & 0o777 == 0o600


def test_a_reader_sees_the_old_content_until_the_new_one_is_whole(path: Path) -> None:
    path.write_bytes(b"old")

    with replacing(path) as file:
        file.write(b"ne")
        file.flush()
        meanwhile = path.read_bytes()
        file.write(b"w")

    assert meanwhile == b"old"
    assert path.read_bytes() == b"new"


def test_a_failure_leaves_the_old_file_and_no_other(path: Path) -> None:
    path.write_bytes(b"old")

    with pytest.raises(ZeroDivisionError):
        write_half(path)

    assert path.read_bytes() == b"old"
    assert names(path.parent) == ["secret"]


def test_what_a_crash_has_left_is_in_nobodys_way(path: Path) -> None:
    with replacing(path) as file:
        left_over = Path(str(file.name))
    left_over.write_bytes(b"half")

    write_file(path, b"whole")

    assert path.read_bytes() == b"whole"
    assert names(path.parent) == ["secret"]


def test_links_are_replaced_and_never_followed(path: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    for name in ("secret", ".secret.new"):
        (tmp_path / name).symlink_to(precious)

    write_file(path, b"content")

    assert precious.read_bytes() == b"precious"
    assert not path.is_symlink()
    assert path.read_bytes() == b"content"


def test_a_directory_in_its_place_stays(path: Path) -> None:
    path.mkdir()

    with pytest.raises(IsADirectoryError):
        write_file(path, b"content")

    assert path.is_dir()
    assert names(path.parent) == ["secret"]


@pytest.fixture
def pipe() -> Iterator[int]:
    """Make an open file that refuses fsync, so that one sees whether it was asked to."""
    read_end, write_end = os.pipe()
    yield write_end
    os.close(read_end)
    os.close(write_end)


class Drive:
    """Answers fcntl as XNU does on one kind of volume: `refusal` is its errno for a full sync, None if it knows it."""

    def __init__(self, refusal: int | None) -> None:
        self._refusal = refusal
        self.asked: list[int] = []

    def fcntl(self, number: int, command: int) -> int:
        os.fstat(number)
        self.asked.append(command)
        if self._refusal is not None:
            raise OSError(self._refusal, os.strerror(self._refusal))
        return 0


def test_a_drive_that_empties_its_cache_is_asked_for_nothing_else(pipe: int) -> None:
    drive = Drive(None)

    sync_file(pipe, F_FULLFSYNC, drive.fcntl)

    assert drive.asked == [F_FULLFSYNC]


@pytest.mark.parametrize("refusal", [errno.ENOTSUP, errno.ENOTTY, errno.EINVAL])
def test_a_volume_that_cannot_empty_the_cache_is_synced_as_well_as_it_can(pipe: int, refusal: int) -> None:
    with pytest.raises(OSError, match=os.strerror(errno.EINVAL)):  # what a pipe says to fsync
        sync_file(pipe, F_FULLFSYNC, Drive(refusal).fcntl)


def test_a_drive_that_fails_is_not_taken_for_one_that_does_not_know(path: Path) -> None:
    with path.open("wb") as file, pytest.raises(OSError, match=os.strerror(errno.EIO)):
        sync_file(file.fileno(), F_FULLFSYNC, Drive(errno.EIO).fcntl)


def test_where_there_is_no_such_command_the_file_is_synced_all_the_same(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"content")
        sync_file(file.fileno(), F_FULLFSYNC)
        sync_file(file.fileno())
