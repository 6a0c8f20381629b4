import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from openwa_manager.domain.foreign_path import of_session
from openwa_manager.host.foreign.trees import remove, used_bytes
from tests.fakes.platforms import linux_only

DEPTH = 3000


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """Make a directory in a directory, and so on, deeper than a path may be long."""
    folder = tmp_path / "a"
    folder.mkdir()
    place = os.open(folder, os.O_RDONLY)
    for _ in range(DEPTH):
        os.mkdir("d", dir_fd=place)
        below = os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = below
    os.close(place)
    yield folder
    while not remove(of_session(folder)):  # what cleans up after tests goes no deeper than Python's stack
        pass


def test_everything_below_is_removed_and_what_links_lead_to_stays(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    session = tmp_path / "a"
    (session / "data" / "deep").mkdir(parents=True)
    (session / "data" / "deep" / "file").touch()
    (session / "data" / "link").symlink_to(tmp_path / "kept")
    os.mkfifo(session / "pipe")

    assert remove(of_session(session))

    assert [each.name for each in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept" / "file").exists()


def test_of_a_link_the_link_goes(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "a").symlink_to(tmp_path / "kept")

    assert remove(of_session(tmp_path / "a"))

    assert [each.name for each in tmp_path.iterdir()] == ["kept"]


def test_what_is_not_there_is_gone(tmp_path: Path) -> None:
    assert remove(of_session(tmp_path / "a"))
    assert remove(of_session(tmp_path / "b" / "a"))


def test_a_tree_deeper_than_a_path_is_long_is_removed(deep: Path) -> None:
    while not remove(of_session(deep)):
        pass

    assert not deep.exists()


def test_a_large_tree_is_removed_in_parts(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / "a" / str(number)).mkdir(parents=True)

    assert not remove(of_session(tmp_path / "a"), within_s=0.0)
    assert (tmp_path / "a").exists()


#: Removes a tree closed to everybody, as a user who is not root: root is not kept out by modes.
CLOSED = """
import os, sys
from pathlib import Path
from openwa_manager.domain.foreign_path import of_session
from openwa_manager.host.foreign.trees import remove
from tests.fakes.platforms import linux_only
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
session = Path(sys.argv[1], "a")
(session / "data" / "deep").mkdir(parents=True)
(session / "data" / "deep" / "file").touch()
for closed in (session / "data" / "deep", session / "data", session):
    closed.chmod(0)
assert remove(of_session(session))
"""


def test_what_is_closed_to_us_is_removed_too(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)

    subprocess.run([sys.executable, "-c", CLOSED, str(tmp_path)], check=True, timeout=30)

    assert [*tmp_path.iterdir()] == []


@linux_only("there is no such place elsewhere")
def test_why_nothing_can_be_removed_is_told_with_the_place() -> None:
    with pytest.raises(OSError, match="/proc/1/status"):
        remove(of_session(Path("/proc/1/status")))


def test_a_directory_counts_with_everything_below_and_a_link_for_itself_only(tmp_path: Path) -> None:
    (tmp_path / "a" / "deep" / "deeper").mkdir(parents=True)
    (tmp_path / "a" / "deep" / "deeper" / "file").write_bytes(b"x" * 1_000_000)
    (tmp_path / "a" / "elsewhere").symlink_to("/usr")

    assert 1_000_000 <= used_bytes(of_session(tmp_path / "a")) < 1_200_000


def test_a_directory_that_is_gone_takes_nothing(tmp_path: Path) -> None:
    assert used_bytes(of_session(tmp_path / "gone")) == 0


def test_a_tree_without_end_is_measured_in_time(deep: Path) -> None:
    assert used_bytes(of_session(deep)) > 0
    assert used_bytes(of_session(deep), within_s=0.0) == 0
