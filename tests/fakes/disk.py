"""A disk that does not answer, as a network file system whose server is gone."""

import threading
from contextlib import suppress

from openwa_manager.domain.errors import FilesStuckError
from openwa_manager.domain.session.session import SessionId
from openwa_manager.host.foreign.engine_files import EngineFiles


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
