"""The one owner of a session's state: it decides on one stimulus at a time, records the decision, then acts on it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from functools import cached_property
from typing import Self

import structlog

from openwa_manager.domain.delivery.events import StoredEvent
from openwa_manager.domain.errors import FilesStuckError, IllegalTransitionError, StorageFullError
from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.domain.session.coming import Coming, Due, coming_to, kill_time
from openwa_manager.domain.session.context import Refused
from openwa_manager.domain.session.deadlines import Deadlines, Moment
from openwa_manager.domain.session.decisions import Decisions, session_after_life
from openwa_manager.domain.session.lifecycle import begin
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import ProcessState, Session, Spec
from openwa_manager.domain.session.stimuli import (
    ActivitySeen,
    ChangeRequested,
    LinkReported,
    Observation,
    QrProduced,
    Request,
    SlotGranted,
)
from openwa_manager.domain.values import dataclass
from openwa_manager.services.sessions.executor import Executor
from openwa_manager.services.sessions.mailbox import Mailbox, MailboxEntry, confirm_repeats, refuse_what_can_wait
from openwa_manager.services.sessions.qr_images import QrImages
from openwa_manager.services.sessions.recorder import Recorder
from openwa_manager.services.starting.dependencies import Dependencies
from openwa_manager.store.sessions.engine_events import RepeatedError

_log = structlog.get_logger()

#: What an engine to which all is well is seen doing.
_LIFE = (ActivitySeen, LinkReported)
#: How long to wait before the next try to record what a full disk had no room for.
_RETRY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """What one entry made of the session; `log_context` is that of its sender."""

    before: Session
    after: Session
    log_context: Mapping[str, object] = field(default_factory=dict)

    def log(self) -> None:
        """Write a line if the session's state has changed."""
        before, after = self.before, self.after
        if (before.process, before.link) == (after.process, after.link):
            return
        with structlog.contextvars.bound_contextvars(**self.log_context):
            _log.info(
                "session_changed",
                session_id=after.session_id,
                previous=before.status.value,
                status=after.status.value,
                process=after.process.value,
                reason=after.reason.code.value if after.reason else None,
                launch=after.launch_count,
                pid=after.pid,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Handled:
    """What a batch of entries comes to, which of them are refused, and what each changed."""

    decisions: Decisions
    refusals: Sequence[tuple[MailboxEntry, Refused]]
    changes: Sequence[_Change]


class Supervisor:
    """Runs one session; everybody else asks it or tells it, nobody changes the session behind its back."""

    def __init__(self, session: Session, dependencies: Dependencies) -> None:
        self._session = session
        self._dependencies = dependencies
        self._mailbox = Mailbox(session.session_id, dependencies.clock)
        self._recorder = Recorder(dependencies.database)
        self._executor = Executor(dependencies, self, lambda: self._session)
        self._images = QrImages()
        self._changed = asyncio.Condition()
        self._changing = asyncio.Lock()
        self._deadlines: Deadlines = {}
        self._met_boot_s = dependencies.clock.now().boot_s
        if session.inner_id is not None:
            dependencies.inner_ids.note(session.session_id, session.inner_id)
        self._executor.ticket.hold_port(self._session)

    @classmethod
    def of_new_session(cls, session: Session, dependencies: Dependencies) -> Self:
        """Return the supervisor of a new session; that it exists is recorded with the first thing it hears."""
        born = begin(session)
        supervisor = cls(born.session, dependencies)
        supervisor._recorder.begin(born.steps, born.events)
        return supervisor

    @property
    def session(self) -> Session:
        """Return the session as last recorded."""
        return self._session

    @property
    def is_recorded(self) -> bool:
        """Tell whether the session exists on disk."""
        return self._recorder.is_on_disk

    @property
    def is_gone(self) -> bool:
        """Tell whether the session was deleted."""
        return self._mailbox.is_closed

    @cached_property
    def log_path(self) -> ForeignPath:
        """Where the session's engine writes its output."""
        return self._dependencies.log_path(self._session.session_id)

    @property
    def qr_image(self) -> bytes | None:
        """Return the image of the code being shown; None when there is none or it has expired."""
        qr = self._session.qr
        now = self._dependencies.clock.now()
        if qr is None or qr.left_s(now.at, now.boot_s) <= 0:
            return None
        return self._images.find(qr)

    def coming(self) -> list[Coming]:
        """Return what happens to the session by itself, the next first."""
        session, now = self._session, self._dependencies.clock.now()
        due = (Due(deadline=kind, at=now.at + each.due_boot_s - now.boot_s) for kind, each in self._deadlines.items())
        ahead = self._dependencies.gate.ahead_of(session.session_id)
        kill_at = kill_time(session, self._dependencies.stop_grace_s, now.at)
        return coming_to(session, due, kill_at, ahead)

    def tell(self, *observations: Observation) -> None:
        """Take note of what was observed, together; of nothing: what the deadlines depend on may have changed."""
        try:
            is_noted = self._mailbox.is_idle and self._note_life(observations)
        except Exception:  # noqa: BLE001 (a bug is for the supervisor to meet, not for whoever tells it something)
            is_noted = False
        if not is_noted:
            self._mailbox.put(observations)

    async def ask(self, request: Request) -> Session:
        """Return the session once the request is recorded.

        Raises:
            IllegalTransitionError: the state does not allow it; nothing happened.
            SessionNotFoundError: the session is gone.
            StorageFullError: it could not be recorded; nothing happened.
        """
        return await self._mailbox.post((request,))

    async def hear(self, observations: Sequence[Observation], key: str | None = None) -> Session:
        """Return the session once these are recorded; a `key` heard before makes them a repeat, which does nothing.

        Raises:
            SessionNotFoundError: the session is gone.
            StorageFullError: they could not be recorded; the sender should repeat them.
        """
        return await self._mailbox.post(observations, key)

    async def change(self, update: Callable[[Spec], Spec]) -> Session:
        """Return the session once the changed choices are recorded; changes asked for meanwhile follow.

        Raises:
            SessionNotFoundError: the session is gone.
            StorageFullError: they could not be recorded; nothing happened.
        """
        async with self._changing:
            return await self.ask(ChangeRequested(spec=update(self._session.spec)))

    async def until(self, is_met: Callable[[Session], bool]) -> Session:
        """Return the session as soon as it meets the condition, or is gone."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.is_gone or is_met(self._session))
            return self._session

    async def until_launched(self, within_s: float) -> Session:
        """Return the session once its process runs or is held up, at the latest after `within_s`."""
        try:
            async with asyncio.timeout(within_s):
                return await self.until(self._is_launched_or_held_up)
        except TimeoutError:
            return self._session

    def _is_launched_or_held_up(self, session: Session) -> bool:
        is_on_its_way = session.process is ProcessState.STARTING and session.pid is None
        is_postponed = session.reason is not None and session.reason.code is ReasonCode.HOST_LIMIT
        return not is_on_its_way or is_postponed or self._executor.is_held_up

    def rebuild(self, session: Session) -> None:
        """Start over from what is on disk, after a bug left this supervisor in a state nobody knows."""
        self._session = session
        self._deadlines = {}
        self._recorder = Recorder(self._dependencies.database)
        self._executor = Executor(self._dependencies, self, lambda: self._session)
        self._executor.ticket.hold_port(self._session)

    async def run(self) -> None:
        """Handle what comes in, in order of arrival, until the session is gone or this is cancelled."""
        try:
            await self._recall_code()
            async with asyncio.TaskGroup() as tasks:
                try:
                    while not self.is_gone:
                        await self._handle(await self._mailbox.take(self._due_boot_s()), tasks)
                finally:
                    self._executor.close()
        finally:
            self._mailbox.send_away(self._session)

    async def _recall_code(self) -> None:
        """Hold the image of the code that the last daemon showed."""
        qr = self._session.qr
        if qr is None or self._images.find(qr):
            return
        with suppress(FilesStuckError, OSError):
            image = await self._dependencies.files_of(self._session.session_id).find_qr(qr.sha256)
            if image is not None:
                self._images.add(qr.sha256, image)

    def _due_boot_s(self) -> float | None:
        """Return when the session must be looked at even if nothing comes in."""
        due = [armed.due_boot_s for armed in self._deadlines.values()]
        if self._recorder.is_disk_full:
            due.append(self._dependencies.clock.now().boot_s + _RETRY_S)
        return min(due, default=None)

    async def _handle(self, taken: Sequence[MailboxEntry], tasks: asyncio.TaskGroup) -> None:
        """Decide on these entries, record what comes of it in one transaction, act on it, and answer."""
        moment = self._moment()
        entries = confirm_repeats(taken, (), self._session)
        stored: list[StoredEvent] = []
        try:
            handled = self._decide(entries, moment)
            self._executor.ticket.launch_at_once(handled.decisions, moment)
            self._executor.prepare(handled.decisions.commands, tasks)
            if handled.decisions.is_durable or self._recorder.has_unsaved:
                keys = [entry.key for entry in entries if entry.key is not None]
                stored = await self._recorder.record(handled.decisions, keys)
        except RepeatedError as error:
            self._executor.ticket.take_back(self._session)
            await self._handle(confirm_repeats(entries, error.keys, self._session), tasks)
            return
        except StorageFullError as error:
            self._executor.ticket.take_back(self._session)
            entries = refuse_what_can_wait(entries, error)
            handled = self._decide(entries, moment)
            self._recorder.keep_unsaved(handled.decisions)
        self._apply(handled.decisions, moment, tasks)
        self._dependencies.changes.session_moved.publish(handled.decisions.moves)
        if stored:
            self._dependencies.changes.events_stored.publish(stored)
        for change in handled.changes:
            change.log()
        self._answer(entries, handled.refusals)
        async with self._changed:
            self._changed.notify_all()

    def _note_life(self, observations: Sequence[Observation]) -> bool:
        """Take over at once what tells of nothing but a sign of life; tell whether that is all that these tell of.

        Hundreds of answers of engines to which all is well come in every minute, and each change has its round
        otherwise. Nothing is recorded of this one, done for it, or due another time; nobody else decides meanwhile.
        """
        if not observations or not all(isinstance(each, _LIFE) for each in observations):
            return False
        moment = self._moment()
        policy, is_unsaved = self._dependencies.policy, self._recorder.has_unsaved
        alive = session_after_life(self._session, self._deadlines, observations, moment, policy)
        if alive is not None and not is_unsaved:
            self._session, self._met_boot_s = alive, moment.boot_s
            return True
        decisions = Decisions(session=self._session, deadlines=self._deadlines, policy=policy)
        for each in observations:
            known_count = len(decisions.moves) + isinstance(each, ActivitySeen)
            decisions.consider(each, moment)
            if len(decisions.moves) > known_count:
                return False
        if decisions.is_durable or decisions.commands or is_unsaved:
            return False
        if decisions.deadlines != self._deadlines:
            return False
        self._session, self._met_boot_s = decisions.session, moment.boot_s
        self._dependencies.changes.session_moved.publish(decisions.moves)
        return True

    def _decide(self, entries: Sequence[MailboxEntry], moment: Moment) -> _Handled:
        """Return what the entries come to; nothing of it is true yet."""
        decisions = Decisions(session=self._session, deadlines=self._deadlines, policy=self._dependencies.policy)
        refusals: list[tuple[MailboxEntry, Refused]] = []
        changes: list[_Change] = []
        for entry in entries:
            before = decisions.session
            for stimulus in entry.stimuli:
                if isinstance(stimulus, QrProduced):
                    self._images.add(stimulus.sha256, stimulus.image)
                if isinstance(stimulus, SlotGranted) and not self._executor.is_offering(stimulus.launch):
                    continue
                refused = decisions.consider(stimulus, moment)
                if refused is not None:
                    refusals.append((entry, refused))
            changes.append(_Change(before=before, after=decisions.session, log_context=entry.log_context))
        before = decisions.session
        decisions.expire_deadlines(moment)
        changes.append(_Change(before=before, after=decisions.session))
        for stimulus, dropped in decisions.dropped:
            kind, session_id = type(stimulus).__name__, self._session.session_id
            _log.debug("stimulus_dropped", session_id=session_id, stimulus=kind, why=dropped.why)
        return _Handled(decisions=decisions, refusals=refusals, changes=changes)

    def _moment(self) -> Moment:
        now = self._dependencies.clock.now()
        return Moment(
            at=now.at,
            boot_s=now.boot_s,
            chance=self._dependencies.chance(),
            is_offline=self._dependencies.host_state.is_offline,
            has_slept=self._dependencies.host_state.awake_since() > self._met_boot_s,
        )

    def _apply(self, decisions: Decisions, moment: Moment, tasks: asyncio.TaskGroup) -> None:
        """Make the decided state the present one and act on it."""
        before, self._session = self._session, decisions.session
        self._deadlines = decisions.deadlines
        self._met_boot_s = moment.boot_s  # only now: a batch that is given up on excuses nobody
        if decisions.is_gone:
            self._mailbox.close()
        self._executor.follow(before, self._session)
        self._executor.run(decisions.commands, tasks)
        image = self._images.keep_only(self._session.qr)
        if image is not None and self._session.qr != before.qr:
            self._executor.show(image, tasks)

    def _answer(self, entries: Sequence[MailboxEntry], refusals: Sequence[tuple[MailboxEntry, Refused]]) -> None:
        for entry, refused in refusals:
            entry.refuse(IllegalTransitionError(f"{self._session.session_id}: {refused.detail}"))
        for entry in entries:
            entry.confirm(self._session)
