"""Fetches the files of single messages once these are accepted, so that none is waited for at its turn."""

import asyncio
from functools import partial

import structlog

from openwa_manager.domain.errors import MediaUnavailableError, StorageFullError
from openwa_manager.domain.messaging.messages import NO_BATCH, Message
from openwa_manager.domain.ports import Clock
from openwa_manager.services.messaging.media import MediaRequest, MediaStore
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.store.messaging.heads import ended_among, media_owners

_log = structlog.get_logger()

#: How many messages may wait for that; the files of others are fetched at their turn.
_WAITING_MAX = 1_000
_AT_ONCE = 4
#: How often files are looked for that nobody needs any more, and of how many messages at once.
_LET_GO_S, _SLICE = 60.0, 500


class Prefetch:
    """Hears of each new message; a file that cannot be had now is asked for again at the message's turn.

    A message may end in many ways: the files of those that have are looked for now and then.
    """

    def __init__(self, media: MediaStore, records: MessageRecords, clock: Clock) -> None:
        self._clock = clock
        self._media = media
        self._records = records
        self._waiting: asyncio.Queue[MediaRequest] = asyncio.Queue(_WAITING_MAX)

    async def sweep(self) -> None:
        """Remove the files that nothing needs that waits; to be called at the start, before anything is fetched."""
        await self._media.sweep(await self._records.read(media_owners))

    def note(self, message: Message) -> None:
        """Take note of a message that was accepted."""
        body = message.body
        if body is None or body.url is None or message.origin.batch_id != NO_BATCH or self._waiting.full():
            return
        request = MediaRequest(kind=body.kind, url=body.url, message_id=message.message_id, filename=body.filename)
        self._waiting.put_nowait(request)

    async def run(self) -> None:
        """Fetch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_AT_ONCE):
                tasks.create_task(self._fetch())
            tasks.create_task(self._let_go())

    async def release_ended(self) -> None:
        """Remove the files of the messages that have ended."""
        owners = self._media.owners()
        for start in range(0, len(owners), _SLICE):
            some = owners[start : start + _SLICE]
            for owner in await self._records.read(partial(ended_among, message_ids=some)):
                await self._media.release(owner)

    async def _let_go(self) -> None:
        while True:
            await self._clock.sleep_until(self._clock.now().boot_s + _LET_GO_S)
            try:
                await self.release_ended()
            except Exception:  # noqa: BLE001 (files that stay are no reason to fetch no others)
                _log.exception("files_not_released")

    async def _fetch(self) -> None:
        while True:
            request = await self._waiting.get()
            try:
                await self._media.prefetch(request)
            except (MediaUnavailableError, StorageFullError) as error:
                _log.debug("media_not_prefetched", message_id=request.message_id, error=str(error))
            except Exception:  # noqa: BLE001 (one message's file is no reason to fetch no others)
                _log.exception("prefetch_failed", message_id=request.message_id)
