import io
from collections.abc import Callable
from contextlib import redirect_stderr

import pytest

from tests.cli.conftest import Run, Said, Terminal

Watch = Callable[..., tuple[Said, str]]


@pytest.fixture
def watched(pipe: Run) -> Watch:
    """Run a command whose stderr is a terminal, and return what it drew there too."""

    def run(*words: str) -> tuple[Said, str]:
        screen = Terminal()
        with redirect_stderr(screen):
            said = pipe(*words)
        return said, screen.content.getvalue().decode()

    return run


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what puts a text into stdin, as a person on a terminal types it or as a pipe has it."""

    def type_in(text: str | bytes, *, on_terminal: bool = False) -> None:
        raw = text.encode() if isinstance(text, str) else text
        kind = _Keyboard if on_terminal else io.TextIOWrapper
        monkeypatch.setattr("sys.stdin", kind(io.BytesIO(raw), encoding="utf-8"))

    return type_in


class _Keyboard(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True
