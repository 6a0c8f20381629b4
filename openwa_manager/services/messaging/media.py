"""Files that messages are sent with: fetched once for each URL and owner, and kept while the owner needs them."""

import asyncio
import dataclasses
import hashlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from copy import copy
from dataclasses import field
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

import structlog

from openwa_manager.domain.errors import MediaUnavailableError, QueueFullError, StorageFullError
from openwa_manager.domain.messaging.media_problems import EMPTY, TOO_LARGE, WRONG_TYPE
from openwa_manager.domain.messaging.messages import NO_BATCH, BatchId, MessageId
from openwa_manager.domain.messaging.outcomes import MediaFile
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.values import dataclass
from openwa_manager.host.media.file_types import mimetype_as, mimetype_of
from openwa_manager.host.media.owned_files import OwnedFiles, Spool, StoredFile
from openwa_manager.webhooks.downloads import FILE_MAX_BYTES, Downloader

_log = structlog.get_logger()

#: How long a failure that may pass is an answer to those of the same batch who ask later; others are one for good.
_FAILURE_KEPT_S = 60.0
_FAILURES_MAX = 10_000
_NO_MESSAGE = MessageId("")
_FILENAME_MAX_CHARS = 255
_NO_ROOM_RETRY_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaLimits:
    """How much is kept and fetched at a time; what is beyond is fetched right before its turn.

    Downloads at once: of single messages ahead of their turn, of batches that are being accepted, of turns. A batch
    that finds none free for `batch_patience_s` is accepted without its file.
    """

    on_disk_bytes: int = 1024 * 1024 * 1024
    singles_at_once: int = 4
    batches_at_once: int = 4
    turns_at_once: int = 16
    batch_patience_s: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRequest:
    """What a message is sent with: the file at `url`, as a message of this `kind`.

    The messages of a batch share their files; `message_id` says nothing then. `url` is empty where a file was handed
    over; `filename` None: as the URL names it.
    """

    kind: str
    url: str = field(default="", repr=False)
    batch_id: BatchId = NO_BATCH
    message_id: MessageId = _NO_MESSAGE
    filename: str | None = None

    @property
    def owner(self) -> str:
        """Return whose file it is, as `MediaStore.release` is told."""
        return self.batch_id or self.message_id

    @property
    def name(self) -> str:
        """Return the name that the file has among its owner's."""
        return hashlib.sha256(self.url.encode("utf-8", "surrogatepass")).hexdigest()


_Key = tuple[str, str]


@dataclasses.dataclass(slots=True, kw_only=True)
class _Fetch:
    """One file that is being fetched, for all who asked for it meanwhile; `outcome` None: not yet known."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    outcome: StoredFile | MediaUnavailableError | StorageFullError | None = None
    waiting_count: int = 0
    is_released: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """A download that failed, and until when (boot time) that is an answer; None: for good."""

    error: MediaUnavailableError
    until_boot_s: float | None


class _NoRoomError(Exception):
    """There is no room for a file ahead of its turn."""


class MediaStore:
    """Fetches and keeps the files of messages that wait.

    Theory. Whoever comes first for a file downloads it in his own task, under the lock of that file; the others wait
    for the lock and find the outcome. Is the first cancelled, the next one begins anew, and a file that is half written
    goes. Three groups of slots keep apart who could wait for whom: thousands of slow URLs that are fetched ahead hold
    up neither a batch's acceptance nor anybody's turn.
    """

    def __init__(self, files: OwnedFiles, downloader: Downloader, clock: Clock, limits: MediaLimits) -> None:
        self._files = files
        self._downloader = downloader
        self._clock = clock
        self._limits = limits
        self._slots = _Slots(limits)
        self._sizes: Counter[str] = Counter()
        self._under_way_count = 0
        self._fetches: dict[_Key, _Fetch] = {}
        self._failures: dict[_Key, _Failure] = {}

    async def sweep(self, owners: Collection[str]) -> None:
        """Remove the files that none of these owners needs; call it at the start, before anything is fetched."""
        self._sizes = Counter(await asyncio.to_thread(self._files.sweep, frozenset(owners)))

    def check_url(self, url: str) -> None:
        """Accept a URL that may be fetched, as far as that is known without asking anybody.

        Raises:
            MediaUnavailableError: it may not.
        """
        self._downloader.check_url(url)

    @property
    def has_room(self) -> bool:
        """Whether one more file of the largest size may be fetched ahead of its turn, or kept."""
        ahead_bytes = (self._under_way_count + 1) * FILE_MAX_BYTES
        return self._sizes.total() + ahead_bytes <= self._limits.on_disk_bytes

    async def fetch(self, request: MediaRequest) -> MediaFile:
        """Return the file, right before its turn: from the disk if it is there, else downloaded.

        Raises:
            MediaUnavailableError: it cannot be had, or is of another kind; nothing was sent.
            StorageFullError: the disk takes no file.
        """
        async with self._slots.turns:
            stored = await self._fetched(request, is_ahead=False)
        return _as_media(stored, request)

    async def prefetch(self, request: MediaRequest) -> MediaFile | None:
        """Return the file ahead of its turn, of a batch before it is accepted; None: no room or no time for it now.

        What is not fetched ahead is had by `fetch` right before its turn.

        Raises:
            MediaUnavailableError: it cannot be had, or is of another kind.
            StorageFullError: the disk takes no file.
        """
        async with self._slots.ahead(is_batch=bool(request.batch_id)) as is_free:
            if not is_free:
                return None
            try:
                stored = await self._fetched(request, is_ahead=True)
            except _NoRoomError:
                return None
        return _as_media(stored, request)

    async def keep(self, pieces: Iterable[bytes], request: MediaRequest) -> MediaFile:
        """Write the file that was handed over in place of a URL, and return it; its `path.name` finds it again.

        Raises:
            MediaUnavailableError: it is empty, larger than 16 MiB, or of another kind.
            QueueFullError: too many files wait already.
            StorageFullError: the disk takes no file.
        """
        if not self.has_room:
            raise QueueFullError("too many files wait to be sent", _NO_ROOM_RETRY_S)
        async with self._new_file(request.owner, f"kept-{secrets.token_hex(8)}") as spool:
            stored = await asyncio.to_thread(_write_all, spool, pieces)
            media = _as_media(stored, request)
        self._sizes[request.owner] += stored.size_bytes
        return media

    async def kept(self, name: str, request: MediaRequest) -> MediaFile:
        """Return what `keep` wrote under this name.

        Raises:
            MediaUnavailableError: it is gone.
            StorageFullError: the disk does not give it.
        """
        stored = await asyncio.to_thread(self._files.find, request.owner, name)
        if stored is None:
            raise MediaUnavailableError("its file is no longer there")
        return _as_media(stored, request)

    def owners(self) -> Sequence[str]:
        """Return whose files are kept."""
        return [*self._sizes]

    async def release(self, owner: str) -> None:
        """Remove the files of a batch or a message that needs them no more; what comes for it later goes too."""
        for key, fetching in self._fetches.items():
            if key[0] == owner:
                fetching.is_released = True
        for key in [key for key in self._failures if key[0] == owner]:
            del self._failures[key]
        self._sizes.pop(owner, None)
        await asyncio.to_thread(self._files.remove, owner)

    async def _fetched(self, request: MediaRequest, *, is_ahead: bool) -> StoredFile:
        """Return the file, which all share who ask for it at the same time."""
        key = (request.owner, request.name)
        fetching = self._fetches.setdefault(key, _Fetch())
        fetching.waiting_count += 1
        try:
            async with fetching.lock:
                if fetching.outcome is None:
                    fetching.outcome = await self._outcome(request, fetching, is_ahead=is_ahead)
        finally:
            fetching.waiting_count -= 1
            if not fetching.waiting_count:
                del self._fetches[key]
        if isinstance(fetching.outcome, Exception):
            raise copy(fetching.outcome)  # each with a traceback of his own
        return fetching.outcome

    async def _outcome(
        self, request: MediaRequest, fetching: _Fetch, *, is_ahead: bool
    ) -> StoredFile | MediaUnavailableError | StorageFullError:
        key = (request.owner, request.name)
        try:
            if (failure := self._failure(key)) is not None:
                return failure
            stored = await asyncio.to_thread(self._files.find, *key)
            if stored is not None:
                return stored
            if is_ahead and not self.has_room:
                raise _NoRoomError
            return await self._downloaded(request, fetching)
        except StorageFullError as error:
            return error
        except MediaUnavailableError as error:
            _log.warning("media_unavailable", owner=request.owner, detail=str(error))
            if request.batch_id:
                self._note_failure(key, error)
            return error

    async def _downloaded(self, request: MediaRequest, fetching: _Fetch) -> StoredFile:
        async with self._new_file(request.owner, request.name) as spool:

            async def write(piece: bytes) -> None:
                await asyncio.to_thread(spool.write, piece)

            await self._downloader.download(request.url, write)
            stored = await asyncio.to_thread(spool.finish)
            if not stored.size_bytes:
                raise MediaUnavailableError(EMPTY)
            if fetching.is_released:
                raise MediaUnavailableError("it is no longer needed", is_lasting=False)
        self._sizes[request.owner] += stored.size_bytes
        return stored

    @asynccontextmanager
    async def _new_file(self, owner: str, name: str) -> AsyncIterator[Spool]:
        """Yield what makes a new file; whatever the body raises, nothing is left of it then."""
        spool = self._files.spool(owner, name)
        self._under_way_count += 1
        try:
            yield spool
        except BaseException:
            # Waited for without being its owner: should we be cancelled meanwhile, it still comes to its end.
            await asyncio.wait([asyncio.get_running_loop().run_in_executor(None, spool.abandon)])
            raise
        finally:
            self._under_way_count -= 1

    def _failure(self, key: _Key) -> MediaUnavailableError | None:
        """Return why this file could not be had a while ago; None if it may be asked for."""
        failure = self._failures.get(key)
        if failure is None:
            return None
        if failure.until_boot_s is not None and failure.until_boot_s <= self._clock.now().boot_s:
            del self._failures[key]
            return None
        return failure.error

    def _note_failure(self, key: _Key, error: MediaUnavailableError) -> None:
        until_boot_s = None if error.is_lasting else self._clock.now().boot_s + _FAILURE_KEPT_S
        self._failures[key] = _Failure(error=error, until_boot_s=until_boot_s)
        if len(self._failures) > _FAILURES_MAX:
            del self._failures[next(iter(self._failures))]


class _Slots:
    """Who may download now."""

    def __init__(self, limits: MediaLimits) -> None:
        self.turns = asyncio.Semaphore(limits.turns_at_once)
        self._singles = asyncio.Semaphore(limits.singles_at_once)
        self._batches = asyncio.Semaphore(limits.batches_at_once)
        self._batch_patience_s = limits.batch_patience_s

    @asynccontextmanager
    async def ahead(self, *, is_batch: bool) -> AsyncIterator[bool]:
        """Yield True once a download is free; False for a batch that has waited for too long."""
        slots, patience_s = (self._batches, self._batch_patience_s) if is_batch else (self._singles, None)
        is_free = False
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                is_free = await slots.acquire()
        try:
            yield is_free
        finally:
            if is_free:
                slots.release()


def _write_all(spool: Spool, pieces: Iterable[bytes]) -> StoredFile:
    left_bytes = FILE_MAX_BYTES
    for piece in pieces:
        left_bytes -= len(piece)
        if left_bytes < 0:
            raise MediaUnavailableError(f"{TOO_LARGE} {FILE_MAX_BYTES // (1024 * 1024)} MiB")
        spool.write(piece)
    if left_bytes == FILE_MAX_BYTES:
        raise MediaUnavailableError(EMPTY)
    return spool.finish()


def _as_media(stored: StoredFile, request: MediaRequest) -> MediaFile:
    """Return a file as what it is sent as.

    Raises:
        MediaUnavailableError: it is of another kind.
    """
    filename = request.filename or _filename_in(request.url)
    mimetype = mimetype_as(request.kind, stored.head, filename)
    if mimetype is None:
        found = mimetype_of(stored.head, filename)
        raise MediaUnavailableError(f"{WRONG_TYPE}{found}, which cannot be sent as {request.kind}")
    return MediaFile(path=stored.path, mimetype=mimetype, filename=filename, size_bytes=stored.size_bytes)


def _filename_in(url: str) -> str | None:
    """Return the name that a URL gives its file, if it looks like one: with an extension."""
    name = PurePosixPath(unquote(urlsplit(url).path)).name  # no ValueError: it was fetched, or is empty
    is_name = PurePosixPath(name).suffix and name.isprintable() and len(name) <= _FILENAME_MAX_CHARS
    return name if is_name else None
