"""Records what a supervisor decides; what a full disk had no room for is kept and goes with the next that fits."""

from collections.abc import Sequence
from functools import partial

from openwa_manager.domain.delivery.events import Event, StoredEvent
from openwa_manager.domain.session.decisions import Decisions
from openwa_manager.domain.session.session import Desired, Session, Step
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.messaging.queues import begin_queue, forget_queue
from openwa_manager.store.sessions import engine_events, progress, registry
from openwa_manager.store.sessions.engine_events import EngineKey
from openwa_manager.store.sessions.progress import SessionProgress


class Recorder:
    """Writes one session's decisions, each batch in one transaction.

    `is_on_disk` tells whether the session itself has been recorded, `is_disk_full` how the last try ended.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._saved: Session | None = None
        self._steps: list[Step] = []
        self._events: list[Event] = []
        self.is_on_disk = True
        self.is_disk_full = False

    @property
    def has_unsaved(self) -> bool:
        """Tell whether something is still to be recorded."""
        return bool(self._events) or self.is_disk_full

    def begin(self, steps: Sequence[Step], events: Sequence[Event]) -> None:
        """Record with the next batch that the session exists."""
        self.is_on_disk = False
        self._keep(steps, events)

    def keep_unsaved(self, batch: Decisions) -> None:
        """Keep a batch for which the disk had no room."""
        self.is_disk_full = True
        self._keep(batch.steps, batch.events)

    async def record(self, batch: Decisions, keys: Sequence[str]) -> list[StoredEvent]:
        """Write the batch and all that was kept; return the events as stored.

        Raises:
            RepeatedError: some of the `keys` have been recorded before; nothing was written.
            StorageFullError: nothing was written.
        """
        is_end = batch.session.desired is not Desired.RUNNING  # a stop and a delete must outlast the daemon
        if is_end or self._is_more_than_progress(batch):
            stored = await self._database.write(partial(self._write, batch=batch, keys=keys), is_urgent=is_end)
        else:
            gone_on = SessionProgress(batch.session, keys, [*self._events, *batch.events])
            stored = await self._database.write_together(progress.record, gone_on)
        self._saved = batch.session
        self._steps, self._events = [], []
        self.is_on_disk, self.is_disk_full = True, False
        return stored

    def _is_more_than_progress(self, batch: Decisions) -> bool:
        is_unusual = batch.is_gone or batch.steps or self._steps or not self.is_on_disk
        return bool(is_unusual) or not progress.is_progress(self._saved, batch.session)

    def _keep(self, steps: Sequence[Step], events: Sequence[Event]) -> None:
        self._steps += steps
        self._events += events

    def _write(self, connection: Connection, batch: Decisions, keys: Sequence[str]) -> list[StoredEvent]:
        session = batch.session
        if not self.is_on_disk:
            begin_queue(connection, session.session_id)
        engine_events.remember(connection, [EngineKey(session.session_id, key, session.updated_at) for key in keys])
        steps, events = [*self._steps, *batch.steps], [*self._events, *batch.events]
        stored = registry.save_session(connection, session, steps, events, self._saved)  # the row numbers the events
        if batch.is_gone:
            registry.remove_session(connection, session.session_id)
            forget_queue(connection, session.session_id)
        return stored
