"""What runs on GitHub is named by commit: a tag can be moved to other code, a commit cannot."""

import re
from pathlib import Path

import pytest

WORKFLOWS = sorted((Path(__file__).parents[2] / ".github" / "workflows").glob("*.yml"))

PINNED = re.compile(r"[\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_to_a_commit_and_says_which_release_that_is(path: Path) -> None:
    used = re.findall(r"^\s*(?:- )?uses:\s*(.+)$", path.read_text("utf-8"), re.MULTILINE)

    assert used
    assert [each for each in used if not PINNED.fullmatch(each)] == []
