"""Facts about what a launch waits for and what keeps an engine from coming up; `reasons` says them to people."""

import sys
from enum import StrEnum

from openwa_manager.domain.values import dataclass


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Starting:
    """The engine comes up; `refusal` is what it said last instead of serving us, None while it said nothing."""

    refusal: str | None = None

    @property
    def sentence(self) -> str:
        """Return it for people."""
        return self.refusal or "starting"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotUp:
    """The engine did not come up within `limit_s`; `refusal` as in `Starting`."""

    limit_s: float
    refusal: str | None = None

    @property
    def sentence(self) -> str:
        """Return it for people."""
        late = f"not up within {self.limit_s:.0f} s"
        return f"{late}: {self.refusal}" if self.refusal else late


class WaitsFor(StrEnum):
    """What a session that is coming up waits for; the values are read by people."""

    PROCESS = "the engine's process to be started"
    ANSWER = "an answer of the engine: its process runs, but does not serve us yet"
    CODE = "the engine's first code: it answers, but has shown none yet"
    CONNECTION = "the link to WhatsApp: the engine answers and is connecting"


@dataclass(frozen=True, slots=True, kw_only=True)
class StillWaiting:
    """A session that is coming up has waited for one thing for `waited_s` and heard nothing of it."""

    what: WaitsFor
    waited_s: float

    @property
    def sentence(self) -> str:
        """Return it for people."""
        return f"waiting for {self.what} (for more than {self.waited_s:.0f} s now)"
