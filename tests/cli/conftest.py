import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from openwa_manager.cli import main
from openwa_manager.domain.delivery.events import Json
from tests.fakes.api import Api, serving


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command printed and exited with."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Json:
        parsed: Json = json.loads(self.out)
        return parsed


Run = Callable[..., Said]


class Terminal(io.TextIOWrapper):
    """A stdout that says it is a terminal."""

    def __init__(self) -> None:
        self.content = io.BytesIO()
        super().__init__(self.content, encoding="utf-8", write_through=True)

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _no_daemon_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("OPENWA_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def api(home: Path) -> Iterator[Api]:
    with serving(Api(), home / "run" / "manager.sock") as running:
        yield running


@pytest.fixture
def pipe(home: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command whose output is piped."""

    def run(*words: str) -> Said:
        code = main(["--home", str(home), *words])
        captured = capfd.readouterr()
        return Said(code=code, out=captured.out, err=captured.err)

    return run


@pytest.fixture
def terminal(home: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command on a terminal."""

    def run(*words: str) -> Said:
        screen = Terminal()
        with redirect_stdout(screen):
            code = main(["--home", str(home), *words])
        return Said(code=code, out=screen.content.getvalue().decode(), err=capfd.readouterr().err)

    return run
