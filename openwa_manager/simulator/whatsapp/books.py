"""What the imaginary WhatsApp really got: the truth that a test compares all other accounts with."""

from dataclasses import asdict, dataclass
from pathlib import Path

from openwa_manager.simulator.journal import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One message as it came in at `at` (float seconds of wall time); `key` is its `Idempotency-Key`, if it had one."""

    message_id: str
    session_id: str
    chat_id: str
    kind: str
    text: str
    media_sha256: str | None
    at: float
    key: str | None


class Books:
    """The messages of all sessions of a directory, in order; they outlive the process and lie on disk only.

    Several processes may write into the same file: `directory`, in which one runs, bears its manager's session id.
    """

    def __init__(self, path: Path, directory: str = "") -> None:
        self._journal = Journal(path)
        self._directory = directory

    def enter(self, entry: Entry) -> None:
        """Write a message down. Raises: OSError."""
        self._journal.add({**asdict(entry), "directory": self._directory})

    def read(self, after: int = 0, limit: int | None = None) -> bytes:
        """Return `{"messages":[…]}` as JSON, without the first `after` of them. Raises: OSError."""
        return b'{"messages":[' + b",".join(self._journal.lines(after, limit)) + b"]}"
