"""The one owner of a session's state: it decides on one stimulus at a time, records the decision, then acts on it."""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import structlog

from openwa_manager.domain.delivery.events import Event, StoredEvent
from openwa_manager.domain.errors import (
    DrainingError,
    IllegalTransitionError,
    OpenwaManagerError,
    SessionNotFoundError,
    StorageFullError,
)
from openwa_manager.domain.session.context import Refused
from openwa_manager.domain.session.deadlines import Deadlines, Moment
from openwa_manager.domain.session.decisions import Decisions
from openwa_manager.domain.session.lifecycle import begin
from openwa_manager.domain.session.session import LaunchId, ProcessState, Session, Spec, Step
from openwa_manager.domain.session.stimuli import (
    ActivitySeen,
    ChangeRequested,
    Observation,
    QrProduced,
    Request,
    Resumed,
    Stimulus,
    StopRequested,
)
from openwa_manager.services.sessions.executor import Executor
from openwa_manager.services.starting.dependencies import Dependencies
from openwa_manager.services.starting.start_ticket import StartTicket
from openwa_manager.store import engine_events, registry
from openwa_manager.store.database import Connection
from openwa_manager.store.engine_events import RepeatedError
from openwa_manager.watcher.qr import read_qr

_log = structlog.get_logger()

#: How long to wait before the next try at what a full disk or a full port range prevented.
_RETRY_S = 1.0
_LIFE_NOTED_S = 1.0
#: How many letters share one commit at most.
_BATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """Stimuli in the inbox; `answer` is settled once they are on disk, `key` makes a repeat known."""

    stimuli: Sequence[Stimulus] = ()
    answer: asyncio.Future[Session] | None = None
    key: str | None = None

    @property
    def is_takeover(self) -> bool:
        """Tell whether it brings what became of an engine while nobody watched."""
        return any(isinstance(each, Resumed) for each in self.stimuli)

    @property
    def cannot_wait(self) -> bool:
        """Tell whether this counts even while nothing can be recorded: what has happened, and stops."""
        is_stop = any(isinstance(each, StopRequested) for each in self.stimuli)
        return self.answer is None or is_stop or self.is_takeover

    def refuse(self, error: OpenwaManagerError) -> None:
        """Answer with an error."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(error)

    def confirm(self, session: Session) -> None:
        """Answer with the session as it is now."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(session)


class Supervisor:
    """Runs one session; everybody else asks it or tells it, nobody changes the session behind its back."""

    def __init__(self, session: Session, dependencies: Dependencies) -> None:
        self._session = session
        self._dependencies = dependencies
        self._executor = Executor(dependencies, self.tell, lambda: self._session)
        self._ticket = StartTicket(session.session_id, dependencies.gate, dependencies.ports, self.tell)
        self._inbox: asyncio.Queue[_Entry] = asyncio.Queue()
        self._changed = asyncio.Condition()
        self._changing = asyncio.Lock()
        self._deadlines: Deadlines = {}
        self._alarm: tuple[float, asyncio.Task[None]] | None = None
        self._images: dict[str, bytes] = {}
        self._saved: Session | None = None
        self._unsaved_steps: list[Step] = []
        self._unsaved_events: list[Event] = []
        self._is_disk_full = False
        self._looked_boot_s = self._met_boot_s = dependencies.clock.now().boot_s
        self.is_gone = False
        self.log_path = dependencies.log_path(session.session_id)
        if session.launch is not None:
            dependencies.ports.hold(session.session_id, session.launch.port)

    @classmethod
    def of_new_session(cls, session: Session, dependencies: Dependencies) -> Self:
        """Return the supervisor of a new session; that it exists is recorded with the first thing it hears."""
        born = begin(session)
        supervisor = cls(born.session, dependencies)
        supervisor._unsaved_steps += born.steps
        supervisor._unsaved_events += born.events
        return supervisor

    @property
    def session(self) -> Session:
        """Return the session as last recorded."""
        return self._session

    @property
    def is_recorded(self) -> bool:
        """Tell whether the session exists on disk."""
        return self._session.event_seq > 0 and not self._unsaved_events

    @property
    def qr_image(self) -> bytes | None:
        """Return the image of the code being shown; None when there is none or it has expired."""
        qr = self._session.qr
        if qr is None or qr.expires_at <= self._dependencies.clock.now().at:
            return None
        return self._images.get(qr.sha256) or self._image_on_disk(qr.sha256)

    def _image_on_disk(self, sha256: str) -> bytes | None:
        """Return the image the last daemon showed, which is not in memory until the file has been looked at."""
        found = read_qr(self._dependencies.directory(self._session.session_id))
        return found[0] if found and hashlib.sha256(found[0]).hexdigest() == sha256 else None

    def tell(self, *observations: Observation) -> None:
        """Put what was observed, together, into the inbox; nothing observed means: look at your state again."""
        self._inbox.put_nowait(_Entry(stimuli=observations))

    def see_life(self, launch_id: LaunchId) -> None:
        """Take note that the engine gave a sign of life: they come by the hundred, one a second is enough."""
        seen_at = self._session.last_seen_at
        if seen_at is None or abs(self._dependencies.clock.now().at - seen_at) >= _LIFE_NOTED_S:
            self.tell(ActivitySeen(launch_id=launch_id))

    async def ask(self, request: Request) -> Session:
        """Return the session once the request is recorded.

        Raises:
            IllegalTransitionError: the state does not allow it; nothing happened.
            StorageFullError: it could not be recorded; nothing happened.
        """
        return await self._post((request,))

    async def until_launched(self) -> Session:
        """Return the session once its process runs, or once it is clear that this will take longer."""
        return await self.until(
            lambda session: (
                session.pid is not None or session.launch is None or session.process is not ProcessState.STARTING
            )
        )

    async def change(self, update: Callable[[Spec], Spec]) -> Session:
        """Return the session once the changed choices are recorded; changes asked for meanwhile follow.

        Raises:
            StorageFullError: they could not be recorded; nothing happened.
        """
        async with self._changing:
            return await self.ask(ChangeRequested(spec=update(self._session.spec)))

    async def hear(self, observations: Sequence[Observation], key: str | None = None) -> Session:
        """Return the session once these are recorded; a `key` heard before makes them a repeat, which does nothing.

        Raises:
            StorageFullError: they could not be recorded; the sender should repeat them.
        """
        return await self._post(observations, key)

    async def until(self, is_met: Callable[[Session], bool]) -> Session:
        """Return the session as soon as it meets the condition, or is gone."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.is_gone or is_met(self._session))
            return self._session

    def rebuild(self, session: Session) -> None:
        """Start over from what is on disk, after a bug left this supervisor in a state nobody knows."""
        self._session, self._saved = session, None
        self._deadlines = {}
        self._alarm = None
        self._unsaved_steps, self._unsaved_events, self._is_disk_full = [], [], False
        self._executor = Executor(self._dependencies, self.tell, lambda: self._session)

    async def run(self) -> None:
        """Handle what comes in, in order of arrival, until the session is gone or this is cancelled."""
        entries: list[_Entry] = []
        try:
            async with asyncio.TaskGroup() as tasks:
                while not self.is_gone:
                    entries = await self._next_entries(tasks)
                    await self._handle(entries, tasks)
                self._executor.drop_listeners()
                self._set_alarm(None, tasks)
        finally:
            self._close(entries)

    def _close(self, entries: Iterable[_Entry]) -> None:
        """Leave nobody without an answer, neither those in the inbox nor those whose letters were being handled."""
        session_id = self._session.session_id
        self._dependencies.gate.leave(session_id)
        unread = [self._inbox.get_nowait() for _ in range(self._inbox.qsize())]
        for entry in [*entries, *unread]:
            if self.is_gone:
                entry.refuse(SessionNotFoundError(f"no session {session_id}"))
            elif entry.is_takeover:  # whoever starts this session over looks at its engine anew
                entry.confirm(self._session)
            else:
                entry.refuse(DrainingError(f"session {session_id} is not looked after just now; try again"))

    async def _post(self, stimuli: Sequence[Stimulus], key: str | None = None) -> Session:
        if self.is_gone:
            raise SessionNotFoundError(f"no session {self._session.session_id}")
        answer: asyncio.Future[Session] = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait(_Entry(stimuli=stimuli, answer=answer, key=key))
        return await answer

    async def _next_entries(self, tasks: asyncio.TaskGroup) -> list[_Entry]:
        due = [armed.due_boot_s for armed in self._deadlines.values()]
        if self._is_disk_full or self._ticket.search.is_stuck:
            due.append(self._dependencies.clock.now().boot_s + _RETRY_S)
        self._set_alarm(min(due, default=None), tasks)
        entries = [await self._inbox.get()]
        while not self._inbox.empty() and len(entries) < _BATCH:
            entries.append(self._inbox.get_nowait())
        return entries

    def _set_alarm(self, due_boot_s: float | None, tasks: asyncio.TaskGroup) -> None:
        """Have an empty letter come at that time, so that the deadlines are looked at."""
        if self._alarm is not None:
            if self._alarm[0] == due_boot_s and not self._alarm[1].done():
                return
            self._alarm[1].cancel()
            self._alarm = None
        if due_boot_s is not None:
            self._alarm = (due_boot_s, tasks.create_task(self._ring_at(due_boot_s)))

    async def _ring_at(self, boot_s: float) -> None:
        await self._dependencies.clock.sleep_until(boot_s)
        self.tell()

    async def _handle(self, entries: list[_Entry], tasks: asyncio.TaskGroup) -> None:
        stored: list[StoredEvent] = []
        search = self._ticket.search
        entries = self._without(set(), entries)
        try:
            batch, refusals = self._decide_all(entries)
            if batch.is_durable or self._unsaved_events or self._is_disk_full:
                stored = await self._dependencies.database.write(partial(self._record, batch=batch, entries=entries))
                self._mark_saved(batch.session)
        except RepeatedError as error:
            self._ticket.reopen(search)
            await self._handle(self._without(error.keys, entries), tasks)
            return
        except StorageFullError as error:
            self._ticket.reopen(search)
            entries = self._refuse_unsaved(entries, error)
            batch, refusals = self._decide_all(entries)
            self._unsaved_steps += batch.steps
            self._unsaved_events += batch.events
        self._apply(batch, tasks)
        if stored:
            self._dependencies.announce(stored)
        self._answer(entries, refusals)
        async with self._changed:
            self._changed.notify_all()

    def _answer(self, entries: Iterable[_Entry], refusals: Iterable[tuple[_Entry, Refused]]) -> None:
        for entry, refused in refusals:
            entry.refuse(IllegalTransitionError(f"{self._session.session_id}: {refused.detail}"))
        for entry in entries:
            entry.confirm(self._session)

    def _without(self, known: set[str], entries: Iterable[_Entry]) -> list[_Entry]:
        """Confirm the letters whose key is known, or that of an earlier one, and return the others."""
        fresh: list[_Entry] = []
        for entry in entries:
            if entry.key is not None and entry.key in known:
                entry.confirm(self._session)
            else:
                fresh.append(entry)
                known |= {entry.key} if entry.key is not None else set()
        return fresh

    def _decide_all(self, entries: Iterable[_Entry]) -> tuple[Decisions, list[tuple[_Entry, Refused]]]:
        """Return what the letters come to, and which of them are refused."""
        refusals: list[tuple[_Entry, Refused]] = []
        batch = Decisions(session=self._session, deadlines=self._deadlines, policy=self._dependencies.policy)
        for entry in entries:
            for stimulus in entry.stimuli:
                if isinstance(stimulus, QrProduced):
                    self._images[stimulus.sha256] = stimulus.image
                moment = self._moment()
                refused = batch.consider(stimulus, moment)
                self._ticket.follow(batch, moment, is_disk_full=self._is_disk_full)
                if refused is not None:
                    refusals.append((entry, refused))
        moment = self._moment()
        batch.expire_deadlines(moment)
        self._ticket.follow(batch, moment, is_disk_full=self._is_disk_full)
        for stimulus, dropped in batch.dropped:
            kind, session_id = type(stimulus).__name__, self._session.session_id
            _log.debug("stimulus_dropped", session_id=session_id, stimulus=kind, why=dropped.why)
        return batch, refusals

    def _moment(self) -> Moment:
        now = self._dependencies.clock.now()
        self._looked_boot_s = now.boot_s
        return Moment(
            at=now.at,
            boot_s=now.boot_s,
            chance=self._dependencies.chance(),
            is_offline=self._dependencies.is_offline(),
            has_slept=self._dependencies.awake_since() > self._met_boot_s,
        )

    def _record(self, connection: Connection, batch: Decisions, entries: Sequence[_Entry]) -> list[StoredEvent]:
        """Write a batch, and what is still owed from when the disk was full, in one transaction.

        Raises:
            RepeatedError: some of the letters have been recorded before; nothing was written.
        """
        session = batch.session
        keys = [entry.key for entry in entries if entry.key is not None]
        engine_events.remember(connection, session.session_id, keys, session.updated_at)
        events = [*self._unsaved_events, *batch.events]
        if batch.is_gone:
            return registry.remove_session(connection, session.session_id, events)
        return registry.save_session(connection, session, [*self._unsaved_steps, *batch.steps], events, self._saved)

    def _refuse_unsaved(self, entries: Iterable[_Entry], error: StorageFullError) -> list[_Entry]:
        """Refuse what can be refused while the disk is full, and return what has to count all the same."""
        self._is_disk_full = True
        kept: list[_Entry] = []
        for entry in entries:
            if entry.cannot_wait:
                kept.append(entry)
            else:
                entry.refuse(error)
        return kept

    def _mark_saved(self, saved: Session) -> None:
        self._saved = saved
        self._is_disk_full = False
        self._unsaved_steps = []
        self._unsaved_events = []

    def _apply(self, batch: Decisions, tasks: asyncio.TaskGroup) -> None:
        """Make the decided state the present one and act on it."""
        before, self._session = self._session, batch.session
        self._deadlines = batch.deadlines
        self._met_boot_s = self._looked_boot_s  # only now: a batch that is given up on excuses nobody
        self.is_gone = batch.is_gone
        if before.launch != self._session.launch or self._session.process is ProcessState.STOPPING:
            self._executor.drop_listeners()
        if self._session.launch is None:
            self._dependencies.ports.give_back(self._session.session_id)
        for command in batch.commands:
            self._executor.run(command, tasks)
        self._keep_image(before)

    def _keep_image(self, before: Session) -> None:
        qr = self._session.qr
        self._images = {sha: image for sha, image in self._images.items() if qr and sha == qr.sha256}
        if qr and qr != before.qr and qr.sha256 in self._images:
            self._executor.show(self._images[qr.sha256])
