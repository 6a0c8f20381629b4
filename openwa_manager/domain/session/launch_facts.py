"""Facts about what keeps an engine from being launched; `reasons` says them to people."""

import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedBy:
    """Another live process runs an engine in the session's directory, for `age_s` (None: it has gone meanwhile)."""

    pid: int
    command: str
    age_s: float | None

    @property
    def sentence(self) -> str:
        """Return it for people."""
        since = "" if self.age_s is None else f" for {self.age_s:.0f} s"
        what = f"process {self.pid} has been running in this session's directory{since}: {self.command}"
        return f"{what}; end it (kill {self.pid}), then try again"


def finder(platform: str) -> str:
    """Return the command that names who has a file open; the fuser of macOS knows no `-v`."""
    return "lsof" if platform == "darwin" else "fuser -v"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockHeld:
    """A live process that cannot be seen from here holds the session's lock, which is the file `path`."""

    path: str

    @property
    def sentence(self) -> str:
        """Return it for people."""
        return (
            f"a live process holds {self.path} (`{finder(sys.platform)} {self.path}` names it); end it, then try again"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramMissing:
    """The engine's program, or what runs it, is not there or not fit; the session is started once it is.

    `text` says what is missing and what to do.
    """

    text: str

    @property
    def sentence(self) -> str:
        """Return it for people."""
        return self.text
