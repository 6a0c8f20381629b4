import os
from pathlib import Path

import pytest

from openwa_manager.host.files import replacing, write_file


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
