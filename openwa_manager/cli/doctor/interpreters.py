"""The doctor's check that Python and Node.js stay: Homebrew removes a version of its own once it has a newer one."""

import asyncio
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from openwa_manager.domain.diagnosis.findings import Finding
from openwa_manager.domain.errors import LaunchFailedError
from openwa_manager.engines.program import NodeProgram


class Keg(NamedTuple):
    """One version of a formula, as Homebrew keeps it: `<prefix>/Cellar/<formula>/<version>`."""

    prefix: Path
    formula: str

    @property
    def is_pinned(self) -> bool:
        """Tell whether `brew upgrade` leaves it (Homebrew, startup/config.rb, HOMEBREW_PINNED_KEGS)."""
        return (self.prefix / "var" / "homebrew" / "pinned" / self.formula).is_symlink()


def keg_of(path: Path) -> Keg | None:
    """Return the keg in which a file lies, links followed; None when it is not Homebrew's."""
    parts = path.resolve().parts
    if "Cellar" not in parts or parts.index("Cellar") + 1 == len(parts):
        return None
    place = parts.index("Cellar")
    return Keg(Path(*parts[:place]), parts[place + 1])


def python_findings() -> Iterator[Finding]:
    """Yield what is to be said of the Python that runs us, and the daemon."""
    yield from check_kegs("python", (Path(sys.executable), Path(sys.base_prefix)))


def node_findings(program: NodeProgram) -> Iterator[Finding]:
    """Yield what is to be said of the Node.js that engines get; nothing when there is none."""
    try:
        node = asyncio.run(program.node())
    except LaunchFailedError:
        return
    yield from check_kegs("node", (node,))


def check_kegs(name: str, paths: Iterable[Path]) -> Iterator[Finding]:
    """Yield a finding if one of these files lies where `brew upgrade` removes it under a running daemon."""
    keg = next(filter(None, map(keg_of, paths)), None)
    if keg is None:
        return
    if keg.is_pinned:
        yield Finding(f"{name}_keg", "ok", f"Homebrew's {keg.formula}, pinned")
        return
    detail = f"Homebrew's {keg.formula}: `brew upgrade` removes it under a running daemon"
    yield Finding(f"{name}_keg", "warn", detail, _cure(name, keg))


def _cure(name: str, keg: Keg) -> str:
    if name == "python":
        return f"brew pin {keg.formula}, or make the virtual environment with python.org's Python"
    if "@" in keg.formula:
        return f"brew pin {keg.formula}, or use nodejs.org's installer"
    node = keg.prefix / "opt" / "node@22" / "bin" / "node"
    return f'brew install node@22 && brew pin node@22, and node = "{node}" in manager.toml; or nodejs.org\'s installer'
