"""What a check of the doctor says."""

from typing import Literal, NamedTuple

Level = Literal["ok", "warn", "fail"]


class Finding(NamedTuple):
    """One checked thing; `advice` says what to do, None when nothing is to be done."""

    name: str
    level: Level
    detail: str
    advice: str | None = None
