"""Batches of the gateway's callers: taken in with their files, found by the ids they were given, called off."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from openwa_manager.domain.errors import InvalidInputError, MediaUnavailableError
from openwa_manager.domain.messaging.batches import Batch
from openwa_manager.domain.messaging.messages import BatchId, Message, SendRoute
from openwa_manager.domain.messaging.outcomes import MediaFile
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import Session
from openwa_manager.domain.values import dataclass
from openwa_manager.services.messaging.acceptance.bulk import BulkAcceptance
from openwa_manager.services.messaging.acceptance.drafts import Asked, BulkDraft, Draft
from openwa_manager.services.messaging.control.batch_requests import BatchRequests
from openwa_manager.services.messaging.media import MediaRequest
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.store.database import Connection
from openwa_manager.store.ids import new_id
from openwa_manager.store.messaging import batches, messages, queues
from openwa_manager.store.messaging.idempotency import Key, KeyScope, find_key
from openwa_manager.store.messaging.messages import MessageFilter

#: More messages are in no batch of these.
BATCH_MAX = 100


class FileKeeper(Protocol):
    """Keeps files that were handed over."""

    async def keep(self, pieces: Iterable[bytes], request: MediaRequest) -> MediaFile:
        """Write a file, and return it; its `path.name` finds it again.

        Raises:
            MediaUnavailableError: it is none that can be sent.
            QueueFullError: too many files wait already.
            StorageFullError: the disk takes no file.
        """
        ...

    async def release(self, owner: str) -> None:
        """Remove the files of a batch that is not taken in."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecord:
    """A batch and all of its messages, in its order."""

    batch: Batch
    messages: Sequence[Message]

    @property
    def name(self) -> str:
        """Return the id by which its caller knows it."""
        return self.batch.origin.name or self.batch.batch_id


class GatewayBatches:
    """Takes batches in for callers of the gateway, and shows them theirs."""

    def __init__(
        self, records: MessageRecords, clock: Clock, bulk: BulkAcceptance, requests: BatchRequests, files: FileKeeper
    ) -> None:
        self._records = records
        self._clock = clock
        self._bulk = bulk
        self._requests = requests
        self._files = files

    async def accept(
        self, session: Session, bulk: BulkDraft, files: Mapping[int, Iterable[bytes]], asked: Asked
    ) -> bytes:
        """Take a batch in and return the answer; `files` are those handed over, by the places of their messages.

        Raises:
            BatchNameTakenError: another batch of the session has its name.
            InvalidInputError: a text or a file is none that can be sent.
            StorageFullError: the disk takes no file.
            IdempotencyMismatchError, QueueFullError, QuotaExceededError, SessionNotFoundError: as for all batches.
        """
        batch_id = BatchId(new_id("batch", self._clock.now().at))
        try:
            drafts = [await self._filed(batch_id, *each, files) for each in enumerate(bulk.drafts)]
            async with self._bulk.turn():
                result = await self._bulk.accept(session, replace(bulk, drafts=drafts), asked, batch_id)
        except BaseException:
            await self._files.release(batch_id)
            raise
        return result.answer

    async def _filed(self, batch_id: BatchId, index: int, draft: Draft, files: Mapping[int, Iterable[bytes]]) -> Draft:
        """Return a message with the name that its file is kept by, if it has one."""
        if index not in files:
            return draft
        request = MediaRequest(kind=draft.body.kind, batch_id=batch_id, filename=draft.body.filename)
        try:
            kept = await self._files.keep(files[index], request)
        except MediaUnavailableError as error:
            raise InvalidInputError(f"messages.{index}", str(error)) from error
        return replace(draft, body=replace(draft.body, media_name=kept.path.name))

    async def find(self, session: Session, name: str) -> BatchRecord | None:
        """Return the session's batch that a caller knows by this id; None when the gateway has taken none in."""
        return await self._records.read(partial(_find, session=session, name=name))

    async def cancel(self, session: Session, record: BatchRecord) -> BatchRecord:
        """Call off what waits in a batch, and return it as it is then.

        Raises:
            StorageFullError: some of it still waits.
        """
        await self._requests.cancel(record.batch.batch_id)
        return await self.find(session, record.name) or record


def _find(connection: Connection, session: Session, name: str) -> BatchRecord | None:
    key = Key(session_id=session.session_id, scope=KeyScope.GATEWAY_BATCH, value=name)
    named = find_key(connection, key)
    batch = batches.find_batch(connection, named.target if named else name)
    if batch is None or batch.origin.session_id != session.session_id:
        return None
    if batch.origin.route is not SendRoute.GATEWAY:
        return None
    wanted = MessageFilter(batch_id=batch.batch_id)
    found = messages.read_messages(connection, session.session_id, wanted, limit=BATCH_MAX)
    if found and found[0].seq <= queues.read_since(connection, session.session_id):
        return None
    return BatchRecord(batch=batch, messages=found[::-1])
