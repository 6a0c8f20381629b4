"""One place under one name, on volumes that take a name in capital letters and in small ones."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from openwa_manager.host.user_paths import F_GETPATH, spelled_on_disk, spelling_of
from tests.fakes.platforms import linux_only


@dataclass(frozen=True, slots=True)
class Volume:
    """A directory that takes names as APFS does: in any letters, and kept in those they were made with."""

    root: Path

    def spelling(self, path: Path) -> Path:
        found = self.root
        for name in path.relative_to(self.root).parts:
            there = next((entry for entry in found.iterdir() if entry.name.lower() == name.lower()), None)
            if there is None:
                raise FileNotFoundError(path)
            found = there
        return found


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    (tmp_path / "opt" / "OpenWA" / "sessions").mkdir(parents=True)
    return Volume(tmp_path.resolve())


@pytest.mark.parametrize("written", ["opt/OpenWA", "Opt/OpenWA", "OPT/openwa", "opt/../Opt/./openwa"])
def test_a_place_has_one_name_however_it_is_written(volume: Volume, written: str) -> None:
    assert spelled_on_disk(volume.root / written, volume.spelling) == volume.root / "opt" / "OpenWA"


def test_what_is_not_there_yet_stays_as_it_is_written(volume: Volume) -> None:
    found = spelled_on_disk(volume.root / "Opt" / "openwa" / "Sessions" / "New" / "One", volume.spelling)

    assert found == volume.root / "opt" / "OpenWA" / "sessions" / "New" / "One"


def test_where_nobody_lets_us_look_the_path_stays_as_it_is_written(volume: Volume) -> None:
    def refuse(path: Path) -> Path:
        raise PermissionError(path)

    assert spelled_on_disk(volume.root / "Opt", refuse) == volume.root / "Opt"


def test_links_are_followed_before_the_disk_is_asked(volume: Volume) -> None:
    (volume.root / "link").symlink_to(volume.root / "OPT" / "openwa")

    assert spelled_on_disk(volume.root / "link" / "sessions", volume.spelling) == (
        volume.root / "opt" / "OpenWA" / "sessions"
    )


@pytest.mark.skipif(sys.platform == "darwin", reason="there the disk is asked")
def test_where_a_name_has_one_spelling_only_the_disk_is_not_asked(tmp_path: Path) -> None:
    assert spelled_on_disk(tmp_path / "No" / "such") == tmp_path.resolve() / "No" / "such"


def kernel_of(volume: Volume) -> Callable[[int, int, bytes], bytes]:
    """Answer fcntl as XNU does: the path of the open file, a zero, and what was in the buffer before."""

    def fcntl(number: int, command: int, buffer: bytes) -> bytes:
        assert (command, len(buffer)) == (F_GETPATH, 1024)
        path = os.fsencode(volume.spelling(Path(f"/proc/self/fd/{number}").readlink()))
        return path + b"\0" + buffer[len(path) + 1 :]

    return fcntl


@linux_only("looks into /proc")
def test_the_disk_is_asked_about_an_open_file_which_is_closed_again(volume: Volume) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))

    found = spelling_of(volume.root / "opt" / "OpenWA", kernel_of(volume))

    assert found == volume.root / "opt" / "OpenWA"
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_disk_is_not_asked_about_nothing(volume: Volume) -> None:
    with pytest.raises(FileNotFoundError):
        spelling_of(volume.root / "missing")
