"""The index of the examples: every folder is in it, has a page, and is run or checked by the test it names."""

import re

from tests.examples.backend import EXAMPLES
from tests.source import ROOT

FOLDERS = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir() and path.name != "__pycache__")
INDEX = (EXAMPLES / "README.md").read_text("utf-8")
#: Folder → test.
ROWS = dict(re.findall(r"^\| \[([\w-]+)\]\(\1\) \| [^|]+ \| `([\w./]+)` \|$", INDEX, re.MULTILINE))


def test_every_example_is_in_the_index_in_order() -> None:
    assert list(ROWS) == FOLDERS


def test_every_example_has_a_page_that_begins_with_a_title() -> None:
    pages = {name: EXAMPLES / name / "README.md" for name in FOLDERS}

    assert [name for name, page in pages.items() if not page.is_file()] == []
    assert [name for name, page in pages.items() if not page.read_text("utf-8").startswith("# ")] == []


def test_every_example_is_used_by_the_test_that_the_index_names() -> None:
    unused = [
        f"{name}: {test}"
        for name, test in ROWS.items()
        if not (ROOT / test).is_file() or not re.search(rf"\b{name}\b", (ROOT / test).read_text("utf-8"), re.IGNORECASE)
    ]

    assert unused == []
