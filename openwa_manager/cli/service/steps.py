"""What installing a service does to a host: files and commands, first as a list to look at, then for real."""

import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from openwa_manager.cli.errors import CommandFailedError
from openwa_manager.host.files import write_file

#: launchd forgets a job some time after it was told to; until then it does not take it again.
_AGAIN_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeDirectory:
    """Make a directory that is `owner`'s alone; one that exists is left as it is. `owner` None: the caller's."""

    path: Path
    owner: str | None

    def __str__(self) -> str:
        return f"mkdir -m 700 {self.path}" + (f"; chown {self.owner} {self.path}" if self.owner else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteFile:
    """Write a file everybody may read, in place of what is there."""

    path: Path
    content: str

    def __str__(self) -> str:
        return f"write {self.path}:\n" + "".join(f"    {line}\n" for line in self.content.splitlines()).rstrip("\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveFile:
    """Remove a file."""

    path: Path

    def __str__(self) -> str:
        return f"rm {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Run a program, several times if need be, until it succeeds; with `may_fail` it need not."""

    argv: Sequence[str]
    tries: int = 1
    may_fail: bool = False

    def __str__(self) -> str:
        return " ".join(self.argv)


Action = MakeDirectory | WriteFile | RemoveFile | Run


def perform(actions: Sequence[Action], root: Path, environ: Mapping[str, str]) -> None:
    """Do all of it, in order; paths lie below `root`.

    Raises:
        CommandFailedError: something failed; what was done until then stays.
    """
    for action in actions:
        try:
            _perform(action, root, environ)
        except OSError as error:
            raise CommandFailedError(f"{str(action).partition(chr(10))[0]} failed: {error}") from error


def _perform(action: Action, root: Path, environ: Mapping[str, str]) -> None:
    match action:
        case MakeDirectory():
            _make_directory(below(root, action.path), action.owner)
        case WriteFile():
            _write(below(root, action.path), action.content)
        case RemoveFile():
            below(root, action.path).unlink(missing_ok=True)
        case Run():
            _run(action, environ)
        case _:
            assert_never(action)


def below(root: Path, path: Path) -> Path:
    """Return where an absolute path lies when `root` is the top."""
    return root / path.relative_to("/")


def _make_directory(path: Path, owner: str | None) -> None:
    if path.is_dir():
        return
    path.mkdir(mode=0o700, parents=True)
    if owner is not None:
        shutil.chown(path, owner, _group_of(owner))


def _group_of(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, content.encode(), 0o644)


def _run(action: Run, environ: Mapping[str, str]) -> None:
    for attempt in range(action.tries):
        if attempt:
            time.sleep(_AGAIN_S)
        done = ask(action.argv, environ)
        if done.returncode == 0 or action.may_fail:
            return
    raise CommandFailedError(f"`{action}` failed ({done.returncode}): {(done.stderr or done.stdout).strip()}")


def ask(argv: Sequence[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program and return what it said."""
    program = shutil.which(argv[0], path=environ.get("PATH"))
    if program is None:
        raise CommandFailedError(f"{argv[0]} is not on this host")
    return subprocess.run((program, *argv[1:]), env=environ, capture_output=True, text=True, check=False)
