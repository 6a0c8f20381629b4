"""Notes what this process opens."""

import os
from pathlib import Path

import pytest


def noted_opens(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows by the name of everything that is opened from now on, until the test ends."""
    opened, open_file = list[str](), os.open

    def noted(path: str | Path, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        opened.append(str(path))
        return open_file(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", noted)
    return opened
