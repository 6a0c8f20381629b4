"""Compares what is seen with what was seen when somebody last looked: a text file per screen in `seen/`.

`UPDATE_SCREENS=1` writes them anew; then look at the difference. What is new each time is masked: every number is 0,
and made-up ids are ID, so gaps between columns are two spaces here, however wide they are. Where a text is cut depends
on how wide the numbers beside it are: of such a text only the ellipsis is compared.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from tests.cli.screens.window import Size

SEEN = Path(__file__).with_name("seen")
_MASKS = (
    (re.compile(r"\buser_[12]_\S+"), "user_N_ID"),
    (re.compile(r"[^\s…]*…\S*"), "…"),
    (re.compile(r"/tmp/cli[a-z0-9_]{8}"), "/tmp/HOME"),
    (re.compile(r"\b(msg|evt|batch|ep|rid)_[0-9A-Za-z…]+"), r"\1_ID"),
    (re.compile(r"/pair/\S+"), "/pair/TOKEN"),
    (re.compile(r"\b[0-9a-f]{16,}\b"), "HASH"),
    (re.compile(r"\d+(\.\d+)?"), "0"),
    (re.compile(r" {2,}"), "  "),
)


def assert_seen(name: str, size: Size, lines: Sequence[str]) -> None:
    """Compare a screen with the one of this name and size; one that was never seen is an error."""
    path = SEEN / f"{name}-{size.columns}.txt"
    text = "".join(f"{_masked(line)}\n" for line in lines)
    if os.environ.get("UPDATE_SCREENS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    assert path.exists(), f"nobody has looked at {path.name} yet: UPDATE_SCREENS=1 writes it"
    assert text == path.read_text("utf-8"), f"{path.name} looks different now (UPDATE_SCREENS=1 accepts it)"


def _masked(line: str) -> str:
    for pattern, instead in _MASKS:
        line = pattern.sub(instead, line)
    return line.rstrip()
