"""What the daemon itself does in one session's directory: make it, show a code, read the log's end, remove it."""

import hashlib
from contextlib import suppress
from functools import partial

from openwa_manager.domain.errors import FilesStuckError
from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.domain.session.session import SessionId
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.host.foreign.opening import make_directory, plain_status_of, status_of
from openwa_manager.host.foreign.trees import remove
from openwa_manager.host.logs.logtail import last_bytes_of
from openwa_manager.watcher.qr_file import read_qr, remove_qr, write_qr

_TAIL_BYTES = 2048
#: The restart of an engine waits for the end of its log, and a session's code for the file of the last daemon.
_SHORT_S = 2.0


class SessionFiles:
    """One session's directory and log; what is asked for is done in that order.

    All methods but those of the log raise FilesStuckError when the disk does not answer, and OSError when it refuses.
    """

    def __init__(self, files: EngineFiles, session_id: SessionId, directory: ForeignPath, log: ForeignPath) -> None:
        self._files = files
        self._session_id = session_id
        self._directory = directory
        self._log = log
        self._log_begin: int | None = None

    async def has_directory(self) -> bool:
        """Tell whether anything lies in the directory's place."""
        return await self._files.run(self._session_id, lambda: status_of(self._directory)) is not None

    def make(self) -> None:
        """Make the directory for a launch, remove the code of an earlier one, and note where the log of this begins.

        Blocks, for ever if the disk hangs: whoever launches calls it where that holds up nobody else.
        """
        for name in ("logs", "tmp"):
            make_directory(self._directory.child(name))
        remove_qr(self._directory)
        self._note_log()

    async def watch_log(self) -> None:
        """Note where the log of the present launch begins: where it was made, or for one that ran already, here."""
        if self._log_begin is None:
            with suppress(FilesStuckError):
                await self._files.run(self._session_id, self._note_log, within_s=_SHORT_S)

    def _note_log(self) -> None:
        status = plain_status_of(self._log)
        self._log_begin = status.st_size if status else 0

    async def write_qr(self, image: bytes) -> None:
        """Write a code to `qr.png`."""
        await self._files.run(self._session_id, partial(write_qr, self._directory, image))

    async def remove_qr(self, sha256: str | None) -> None:
        """Remove `qr.png`; with `sha256` only if it holds that image."""
        await self._files.run(self._session_id, partial(remove_qr, self._directory, sha256))

    async def find_qr(self, sha256: str) -> bytes | None:
        """Return what `qr.png` holds if it is the image of this hash."""
        found = await self._files.run(self._session_id, partial(read_qr, self._directory), within_s=_SHORT_S)
        return found[0] if found and hashlib.sha256(found[0]).hexdigest() == sha256 else None

    async def read_log_end(self) -> str:
        """Return the last lines the present launch has written to the log; none when there are none to be had."""
        begin, self._log_begin = self._log_begin or 0, None
        tail = partial(last_bytes_of, self._log, _TAIL_BYTES, begin)
        try:
            return (await self._files.run(self._session_id, tail, within_s=_SHORT_S)).decode(errors="replace")
        except FilesStuckError:
            return ""

    async def remove_directory(self) -> None:
        """Return once the directory is gone with all it held; it is removed in parts, each with the time it needs."""
        while not await self._files.run(self._session_id, partial(remove, self._directory)):
            pass
