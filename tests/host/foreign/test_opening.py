import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from openwa_manager.domain.foreign_path import ForeignPath, of_session
from openwa_manager.host.foreign.opening import (
    glance_at,
    is_directory,
    make_directory,
    names_in,
    open_to_watch,
    read_file,
    status_of,
)
from openwa_manager.host.foreign.writing import move, open_for_append, write_file

SECRET = b"root:x:0:0"


@pytest.fixture
def session(tmp_path: Path) -> ForeignPath:
    """Give a session's directory, with a stranger's file beside it."""
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "creds.json").write_bytes(SECRET)
    (tmp_path / "sessions" / "a").mkdir(parents=True)
    return of_session(tmp_path / "sessions" / "a")


def link(path: Path) -> None:
    path.symlink_to(path.parents[2] / "secret")


def second_name(path: Path) -> None:
    path.hardlink_to(path.parents[2] / "secret")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()
    (path / "mine").touch()


def listener(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.bind(os.path.relpath(path))


def endless(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(5 << 30)


ODD = [link, second_name, pipe, folder, listener]


@pytest.mark.parametrize("put", [*ODD, endless])
def test_only_a_plain_file_with_one_name_and_a_sane_size_is_read(
    session: ForeignPath, put: Callable[[Path], None]
) -> None:
    put(session.child("creds.json").path)

    with pytest.raises(OSError, match=r"creds\.json"):
        read_file(session.child("creds.json"), 1000)


def test_no_part_of_the_way_may_be_a_link(session: ForeignPath, tmp_path: Path) -> None:
    session.child("data").path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(NotADirectoryError):
        read_file(session.child("data", "creds.json"), 1000)
    assert status_of(session.child("data", "creds.json")) is None
    assert not is_directory(session.child("data"))
    assert names_in(session) == []


def test_a_session_directory_that_is_a_link_is_none(session: ForeignPath, tmp_path: Path) -> None:
    session.path.rmdir()
    session.path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(NotADirectoryError):
        read_file(session.child("creds.json"), 1000)
    with pytest.raises(NotADirectoryError):
        open_to_watch(session)
    with pytest.raises(NotADirectoryError, match="remove what lies there"):
        make_directory(session.child("logs"))
    assert not (tmp_path / "elsewhere" / "logs").exists()


def test_the_admins_own_directory_may_be_a_link(session: ForeignPath, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(session.root)
    session.child("creds.json").path.write_bytes(b"{}")

    assert read_file(of_session(tmp_path / "linked" / "a").child("creds.json"), 1000) == b"{}"


@pytest.mark.parametrize("put", ODD)
def test_a_file_takes_the_place_of_whatever_lies_there(session: ForeignPath, put: Callable[[Path], None]) -> None:
    place = session.child("qr.png")
    put(place.path)

    write_file(place, b"new")

    assert read_file(place, 10) == b"new"
    assert stat.S_IMODE(place.path.stat().st_mode) == 0o600
    assert (session.root.parent / "secret").read_bytes() == SECRET


@pytest.mark.parametrize("put", ODD)
def test_a_log_is_appended_to_only_if_it_is_a_plain_file(session: ForeignPath, put: Callable[[Path], None]) -> None:
    place = session.child("logs", "engine.log")
    place.parent.path.mkdir()
    put(session.child("other").path)
    session.child("other").path.rename(place.path)

    log = open_for_append(place)
    os.write(log, b"line\n")
    os.close(log)

    assert read_file(place, 10) == b"line\n"
    assert (session.root.parent / "secret").read_bytes() == SECRET


@pytest.mark.parametrize("put", [link, pipe, lambda path: path.touch()], ids=["link", "pipe", "file"])
def test_a_directory_takes_the_place_of_whatever_lies_there(session: ForeignPath, put: Callable[[Path], None]) -> None:
    put(session.child("logs").path)

    make_directory(session.child("logs"))

    assert is_directory(session.child("logs"))


def test_a_log_that_is_there_is_kept(session: ForeignPath) -> None:
    place = session.child("engine.log")
    place.path.write_bytes(b"before\n")

    log = open_for_append(place)
    os.write(log, b"after\n")
    os.close(log)

    assert read_file(place, 20) == b"before\nafter\n"


def test_a_file_is_moved_over_a_directory(session: ForeignPath) -> None:
    session.child("kept").path.write_bytes(b"whole")
    folder(session.child("creds.json").path)

    move(session.child("kept"), session.child("creds.json"))

    assert read_file(session.child("creds.json"), 10) == b"whole"
    assert status_of(session.child("kept")) is None


def test_a_glance_sees_what_a_look_sees_but_follows_a_link_on_the_way(session: ForeignPath) -> None:
    write_file(session.child("file"), b"12")
    (session.path / "link").symlink_to("file")
    (session.path / "data").symlink_to(session.path.parents[1] / "elsewhere")

    for name in ("file", "link", "absent"):
        assert glance_at(session.child(name)) == status_of(session.child(name))
    assert glance_at(session) == status_of(session)
    behind = session.child("data", "creds.json")
    assert (glance_at(behind) is None, status_of(behind)) == (False, None)
