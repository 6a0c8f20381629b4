"""The folders of builds: nothing outside of them is touched, whatever lies in them."""

import os
import stat
from pathlib import Path

import pytest

from openwa_manager.host.builds import trees
from openwa_manager.host.builds.trees import (
    TreeTooLargeError,
    allow_programs,
    copy_tree,
    put_in_place,
    remove_tree,
    seal_tree,
    take_away,
    tree_bytes,
)
from tests.fakes.deep import write_deep


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a tree with a file, a folder in a folder, and links that lead out of it."""
    root = tmp_path / "tree"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "file").write_text("12345")
    (root / "program").write_text("#!/bin/sh\n")
    (root / "program").chmod(0o775)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "a" / "to_file").symlink_to(tmp_path / "outside" / "secret")
    return root


def test_a_tree_is_as_large_as_its_own_files(tree: Path) -> None:
    assert tree_bytes(tree) == 5 + 10


def test_a_copy_has_all_but_what_is_secret_or_no_file(tree: Path, tmp_path: Path) -> None:
    (tree / ".env").write_text("KEY=1")
    (tree / "data").mkdir()
    (tree / "a" / "data").mkdir()
    os.mkfifo(tree / "pipe")

    copy_tree(tree, tmp_path / "copy")

    copied = tmp_path / "copy"
    assert sorted(each.name for each in copied.iterdir()) == ["a", "link", "program"]
    assert (copied / "a" / "b" / "file").read_text() == "12345"
    assert (copied / "a" / "data").is_dir()
    assert (copied / "link").is_symlink()
    assert mode_of(copied / "program") == 0o755


def test_a_copy_that_nobody_wants_any_more_ends(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(InterruptedError):
        copy_tree(tree, tmp_path / "copy", lambda: False)


def test_what_is_too_large_is_not_taken(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "TREE_MAX_BYTES", 10)

    with pytest.raises(TreeTooLargeError, match="larger than a build may be"):
        copy_tree(tree, tmp_path / "copy")

    assert not (tmp_path / "copy").exists()


def test_only_programs_of_the_tree_itself_may_be_executed(tree: Path, tmp_path: Path) -> None:
    linked = tree / "node_modules" / ".bin"
    linked.mkdir(parents=True)
    (tree / "a" / "b" / "file").chmod(0o600)
    (linked / "own").symlink_to("../../a/b/file")
    (linked / "foreign").symlink_to(tmp_path / "outside" / "secret")
    (linked / "nowhere").symlink_to("../nowhere")
    before = mode_of(tmp_path / "outside" / "secret")

    allow_programs(tree)

    assert mode_of(tree / "a" / "b" / "file") == 0o700
    assert mode_of(tmp_path / "outside" / "secret") == before


def test_a_sealed_tree_can_be_put_in_place_and_taken_away_in_one_step(tree: Path, tmp_path: Path) -> None:
    outside = mode_of(tmp_path / "outside" / "secret")
    seal_tree(tree)
    put_in_place(tree, tmp_path / "build")

    build = tmp_path / "build"
    assert [mode_of(each) & 0o222 for each in (build, build / "a", build / "a" / "b" / "file", build / "program")] == [
        0,
        0,
        0,
        0,
    ]
    assert mode_of(tmp_path / "outside" / "secret") == outside
    take_away(build, tmp_path / ".removed")
    assert not build.exists()
    remove_tree(tmp_path / ".removed")
    assert not (tmp_path / ".removed").exists()
    assert (tmp_path / "outside" / "secret").read_text() == "secret"


def test_a_tree_with_a_pipe_becomes_no_build(tree: Path) -> None:
    os.mkfifo(tree / "a" / "pipe")

    with pytest.raises(OSError, match="nothing else"):
        seal_tree(tree)


def test_a_build_whose_program_lies_elsewhere_is_none(tree: Path, tmp_path: Path) -> None:
    (tree / "node_modules").mkdir()
    (tree / "node_modules" / "own").symlink_to("../a")
    (tree / "dist").symlink_to(tmp_path / "outside")

    with pytest.raises(OSError, match="this link leaves it"):
        seal_tree(tree)


def test_the_python_that_packages_were_compiled_with_is_not_kept(tree: Path, tmp_path: Path) -> None:
    linked = tree / "node_modules" / "native" / "build" / "node_gyp_bins"
    linked.mkdir(parents=True)
    (linked / "python3").symlink_to(tmp_path / "outside" / "secret")

    seal_tree(tree)

    assert list(linked.iterdir()) == []
    assert (tmp_path / "outside" / "secret").is_file()


def test_a_tree_is_on_the_disk_before_it_has_its_name(tree: Path, tmp_path: Path) -> None:
    seen: list[tuple[Path, bool]] = []

    put_in_place(tree, tmp_path / "build", lambda synced: seen.append((synced, (tmp_path / "build").exists())))

    assert seen == [(tree, False)]
    assert (tmp_path / "build").is_dir()


def test_what_is_in_place_already_stays(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()

    with pytest.raises(FileExistsError):
        put_in_place(tree, tmp_path / "build")

    assert tree.is_dir()


def test_what_is_no_folder_or_nothing_is_removed_too(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")

    remove_tree(tmp_path / "link")
    remove_tree(tmp_path / "nothing")

    assert (tmp_path / "target").is_dir()
    assert not (tmp_path / "link").is_symlink()


def test_what_is_deeper_than_a_path_is_long_is_removed_and_not_looked_through(tmp_path: Path) -> None:
    write_deep(tmp_path / "deep", 1500)

    with pytest.raises(TreeTooLargeError):
        tree_bytes(tmp_path / "deep")
    remove_tree(tmp_path / "deep")

    assert list(tmp_path.iterdir()) == []
