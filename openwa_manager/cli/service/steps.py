"""What installing a service does to a host: files and commands, first as a list to look at, then for real."""

import os
import pwd
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import assert_never

from openwa_manager.cli.errors import CommandFailedError
from openwa_manager.domain.values import dataclass
from openwa_manager.host.files import write_file

#: launchd forgets a job some time after it was told to; until then it does not take it again.
_AGAIN_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A user and its group; `numbers` are the uid and the gid of one that is made now, None: looked up by the name."""

    name: str
    numbers: tuple[int, int] | None = None

    def ids(self) -> tuple[int, int]:
        """Return the uid and the gid.

        Raises:
            CommandFailedError: there is no such user.
        """
        if self.numbers is not None:
            return self.numbers
        try:
            known = pwd.getpwnam(self.name)
        except KeyError as error:
            raise CommandFailedError(f"there is no user {self.name}") from error
        return known.pw_uid, known.pw_gid


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeDirectory:
    """Make a directory that is `owner`'s alone; one that exists must be. `owner` None: the caller's.

    A link is left as it is, and nothing is made where it leads to.
    """

    path: Path
    owner: Owner | None

    def __str__(self) -> str:
        path = shlex.quote(str(self.path))
        return f"mkdir -m 700 {path}" + (f"; chown {self.owner.name}: {path}" if self.owner else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeFile:
    """Make an empty file that is `owner`'s alone; one that exists must be. `owner` None: the caller's."""

    path: Path
    owner: Owner | None

    def __str__(self) -> str:
        path = shlex.quote(str(self.path))
        return f"touch {path}; chmod 600 {path}" + (f"; chown {self.owner.name}: {path}" if self.owner else "")


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
        return f"rm {shlex.quote(str(self.path))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Run a program, several times if need be, until it succeeds; with `may_fail` it need not.

    `without` is what to tell people when it failed; None: nothing. `hopeless` are exit codes at which trying again does
    not help, and what does.
    """

    argv: Sequence[str]
    tries: int = 1
    may_fail: bool = False
    without: str | None = None
    hopeless: Mapping[int, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return shlex.join(self.argv)


Action = MakeDirectory | MakeFile | WriteFile | RemoveFile | Run


def perform(actions: Sequence[Action], root: Path, environ: Mapping[str, str]) -> list[str]:
    """Do all of it, in order; paths lie below `root`. Return what to tell people of what failed and may fail.

    Raises:
        CommandFailedError: something failed; what was done until then stays.
    """
    told: list[str] = []
    for action in actions:
        try:
            told += _perform(action, root, environ)
        except OSError as error:
            raise CommandFailedError(f"{str(action).partition(chr(10))[0]} failed: {error}") from error
    return told


def _perform(action: Action, root: Path, environ: Mapping[str, str]) -> list[str]:
    match action:
        case MakeDirectory():
            _make_directory(below(root, action.path), action.owner)
        case MakeFile():
            _make_file(below(root, action.path), action.owner)
        case WriteFile():
            _write(below(root, action.path), action.content)
        case RemoveFile():
            below(root, action.path).unlink(missing_ok=True)
        case Run():
            return _run(action, environ)
        case _:
            assert_never(action)
    return []


def below(root: Path, path: Path) -> Path:
    """Return where an absolute path lies when `root` is the top."""
    return root / path.relative_to("/")


def _make_directory(path: Path, owner: Owner | None) -> None:
    if path.is_symlink():
        return
    if path.is_dir():
        _require_owner(path.lstat(), path, owner)
        return
    path.mkdir(mode=0o700, parents=True)
    if owner is not None:
        os.chown(path, *owner.ids())


def _make_file(path: Path, owner: Owner | None) -> None:
    """Make it without following a link: its directory is another user's, who could lead root elsewhere."""
    if path.parent.is_symlink():
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        made = os.open(path.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
    except FileExistsError:
        _require_owner(os.stat(path.name, dir_fd=folder, follow_symlinks=False), path, owner)
        return
    finally:
        os.close(folder)
    try:
        if owner is not None:
            os.fchown(made, *owner.ids())
    finally:
        os.close(made)


def _require_owner(status: os.stat_result, path: Path, owner: Owner | None) -> None:
    """Refuse what is another user's: the daemon could not use it, and would be started again and again."""
    if owner is not None and status.st_uid != owner.ids()[0]:
        raise CommandFailedError(
            f"{path} is {_name_of(status.st_uid)}'s, not {owner.name}'s: "
            f"chown -R {owner.name}: {shlex.quote(str(path))}, or move it away"
        )


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, content.encode(), 0o644)


def _run(action: Run, environ: Mapping[str, str]) -> list[str]:
    for attempt in range(action.tries):
        if attempt:
            time.sleep(_AGAIN_S)
        done = ask(action.argv, environ)
        if done.returncode == 0:
            return []
        if done.returncode in action.hopeless:
            break
    said = f"`{action}` failed ({done.returncode}): {(done.stderr or done.stdout).strip()}"
    if not action.may_fail:
        advice = action.hopeless.get(done.returncode)
        raise CommandFailedError(said if advice is None else f"{said}; {advice}")
    return [f"{action.without}; {said}"] if action.without else []


def ask(argv: Sequence[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program and return what it said."""
    program = shutil.which(argv[0], path=environ.get("PATH"))
    if program is None:
        raise CommandFailedError(f"{argv[0]} is not on this host")
    return subprocess.run((program, *argv[1:]), env=environ, capture_output=True, text=True, check=False)  # noqa: S603 (our own argv)
