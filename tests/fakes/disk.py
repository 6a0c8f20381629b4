"""Disks of two kinds: one that does not answer, as a network file system whose server is gone, and one that does."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from openwa_manager.domain.errors import FilesStuckError
from openwa_manager.domain.session.session import SessionId
from openwa_manager.host.foreign.engine_files import EngineFiles

T = TypeVar("T")


class PromptFiles(EngineFiles):
    """Files that answer at once, so that a test whose time stands still need not wait for a thread.

    `asked` says of whom; with an `error` they answer with that.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[SessionId] = []
        self.error: FilesStuckError | None = None

    async def run(
        self,
        session_id: SessionId,
        function: Callable[[], T],
        *,
        within_s: float = 0.0,
        dispose: Callable[[T], None] | None = None,
    ) -> T:
        del within_s, dispose
        self.asked.append(session_id)
        if self.error is not None:
            raise self.error
        return function()


class DeadDisk:
    """Holds up whoever reads from it until it is revived."""

    def __init__(self) -> None:
        self._revived = threading.Event()

    def read(self) -> str:
        self._revived.wait(30)
        return "content"

    async def hold_up(self, files: EngineFiles, session_id: SessionId) -> None:
        """Have the session's files not answer from now on, which is noticed at once."""
        with suppress(FilesStuckError):
            await files.run(session_id, self.read, within_s=0.05)

    def revive(self) -> None:
        self._revived.set()
