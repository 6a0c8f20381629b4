"""The size of the window is what Python itself says it is."""

import shutil

import pytest

from openwa_manager.cli.terminal.window import terminal_size


@pytest.mark.parametrize("columns", ["", "0", "-5", "x", "²", "132"])
@pytest.mark.parametrize("lines", ["", "0", "50"])
def test_the_window_is_as_large_as_python_says(columns: str, lines: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("LINES", lines)

    assert terminal_size() == shutil.get_terminal_size()
