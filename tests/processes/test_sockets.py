"""The directories of the engines' sockets."""

import socket
from pathlib import Path

import pytest

from openwa_manager.domain.session.session import LaunchId
from openwa_manager.processes.sockets import EngineSockets, socket_directory

LAUNCH_ID = LaunchId("0123456789abcdef0123456789abcdef")


def listen_at(path: Path) -> None:
    """Leave a socket there, as an engine that ended does."""
    with socket_directory(path), socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def test_each_launch_has_a_directory_of_its_own_that_is_closed_to_others(tmp_path: Path) -> None:
    path = EngineSockets(tmp_path / "e").path_of(LAUNCH_ID)

    with socket_directory(path):
        mode = path.parent.stat().st_mode & 0o777

    assert path == tmp_path / "e" / "0123456789abcdef" / "s"
    assert mode == 0o700


def test_a_launch_without_a_socket_has_no_directory(tmp_path: Path) -> None:
    with socket_directory(None):
        pass

    assert list(tmp_path.iterdir()) == []


def test_a_launch_that_fails_leaves_no_directory(tmp_path: Path) -> None:
    path = tmp_path / "e" / "a" / "s"

    with pytest.raises(ZeroDivisionError), socket_directory(path):
        raise ZeroDivisionError

    assert not path.parent.exists()


def test_a_directory_that_is_there_already_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "e" / "a" / "s"
    path.parent.mkdir(parents=True)

    with pytest.raises(FileExistsError), socket_directory(path):
        pass


def test_the_socket_of_a_launch_that_ended_is_removed_with_its_directory(tmp_path: Path) -> None:
    sockets = EngineSockets(tmp_path / "e")
    path = sockets.path_of(LAUNCH_ID)
    listen_at(path)

    sockets.remove(path)
    sockets.remove(path)  # nothing is left to do

    assert not path.parent.exists()


def test_whatever_an_engine_has_put_beside_its_socket_is_removed_too(tmp_path: Path) -> None:
    sockets = EngineSockets(tmp_path / "e")
    path = sockets.path_of(LAUNCH_ID)
    listen_at(path)
    (path.parent / "deep" / "deeper").mkdir(parents=True)
    (path.parent / "deep" / "link").symlink_to(tmp_path)
    (path.parent / "deep").chmod(0)

    sockets.remove(path)

    assert not path.parent.exists()
    assert tmp_path.exists()


def test_the_socket_of_another_home_is_left_alone(tmp_path: Path) -> None:
    path = EngineSockets(tmp_path / "other").path_of(LAUNCH_ID)
    listen_at(path)

    EngineSockets(tmp_path / "e").remove(path)

    assert path.exists()


def test_a_sweep_leaves_those_of_live_launches(tmp_path: Path) -> None:
    sockets = EngineSockets(tmp_path / "e")
    kept, ended = sockets.path_of(LAUNCH_ID), sockets.path_of(LaunchId("f" * 32))
    listen_at(kept)
    listen_at(ended)

    sockets.sweep([kept])

    assert kept.exists()
    assert not ended.parent.exists()


def test_a_sweep_before_the_first_launch_finds_nothing(tmp_path: Path) -> None:
    EngineSockets(tmp_path / "e").sweep([])

    assert not (tmp_path / "e").exists()
