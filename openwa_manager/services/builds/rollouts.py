"""Moves sessions to another build, one after the other, and back again when one does not come back well.

Recorded first, done second: what a session is to run is on disk before it is restarted, so that whichever daemon comes
next goes on from there. Only `run` changes a roll-out, but for the person who calls it off.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

import structlog

from openwa_manager.domain.access.audit import DAEMON, FAILED, NewEntry
from openwa_manager.domain.builds.builds import BuildName
from openwa_manager.domain.builds.rollouts import (
    Expected,
    MoveState,
    Rollout,
    RolloutId,
    RolloutMove,
    RolloutState,
    Verdict,
    all_well,
    begun,
    build_of,
    cancelled,
    expected_back,
    expected_of,
    has_fallen,
    in_order,
    joined,
    left_out,
    next_move,
    settled,
    verdict_on,
)
from openwa_manager.domain.errors import (
    BuildNotFoundError,
    ConflictError,
    DrainingError,
    IllegalTransitionError,
    OpenwaManagerError,
    SessionNotFoundError,
    StorageFullError,
)
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import Desired, Session, SessionId
from openwa_manager.services.builds.catalog import BuildCatalog
from openwa_manager.services.builds.moving import RolloutPatience, RolloutRecords, RolloutSessions
from openwa_manager.store.builds.builds import DefaultBuild
from openwa_manager.store.builds.rollouts import KEPT, load_rollouts, save_rollout
from openwa_manager.store.ids import new_id

_log = structlog.get_logger()

#: How often it is looked whether the sessions have been taken up, and tried again what a full disk prevented.
_RETRY_S: Final = 0.5
CANARIES_MAX: Final = 100


class Rollouts:
    """Owns the roll-outs, of which one at most is under way."""

    def __init__(
        self,
        catalog: BuildCatalog,
        sessions: RolloutSessions,
        records: RolloutRecords,
        clock: Clock,
        patience: RolloutPatience,
    ) -> None:
        self._catalog = catalog
        self._sessions = sessions
        self._records = records
        self._clock = clock
        self._patience = patience
        self._rollouts: dict[RolloutId, Rollout] = {}
        self._active: Rollout | None = None
        self._is_beginning = False
        self._changed = asyncio.Event()
        self._writing = asyncio.Lock()

    @property
    def active(self) -> Rollout | None:
        """Return the roll-out that is under way; None when there is none."""
        return self._active

    async def load(self) -> None:
        """Read what is recorded, before any engine is launched: what a session runs depends on it."""
        self._rollouts = {each.rollout_id: each for each in await self._records.database.read(load_rollouts)}
        self._set_active(next((each for each in self._rollouts.values() if not each.is_over), None))

    def newest(self) -> Rollout | None:
        """Return the roll-out that was begun last; None when there never was one."""
        return next(reversed(self._rollouts.values()), None)

    def get(self, rollout_id: str) -> Rollout:
        """Return a roll-out.

        Raises:
            BuildNotFoundError: there is none with this id, or not any more.
        """
        found = self._rollouts.get(RolloutId(rollout_id))
        if found is None:
            raise BuildNotFoundError(f"there is no roll-out {rollout_id!r}")
        return found

    async def start(self, build: BuildName, session_ids: Sequence[str] | None, canary_count: int) -> Rollout:
        """Begin to move these sessions, or (None) all that pin no build, and return the roll-out.

        Raises:
            BuildNotFoundError | SessionNotFoundError: there is no such build, or session.
            InvalidInputError: a session's engine is no OpenWA.
            ConflictError: the build is not ready, or a roll-out is under way.
            StorageFullError: it could not be recorded; nothing happened.
        """
        self._catalog.require_usable(build)
        if self._active is not None or self._is_beginning:
            under_way = "it begins just now" if self._active is None else self._active.rollout_id
            raise ConflictError(f"a roll-out is under way: {under_way}")
        sessions = self._sessions
        named = None if session_ids is None else [sessions.require_openwa(each) for each in dict.fromkeys(session_ids)]
        at = self._clock.now().at
        rollout = Rollout(
            rollout_id=RolloutId(new_id("rol", at)),
            build=build,
            former=self._catalog.default.name,
            is_default=session_ids is None,
            canary_count=min(canary_count, CANARIES_MAX),
            created_at=at,
            moves=tuple(
                RolloutMove(session_id=each) for each in in_order(sessions.unpinned() if named is None else named)
            ),
        )
        self._is_beginning = True  # at once: two callers at the same time must not both find none under way
        return await self._records.background.finish(partial(self._begin, rollout))

    async def _begin(self, rollout: Rollout) -> Rollout:
        try:
            with self._catalog.chosen(rollout.build):
                await self._records.database.write(partial(save_rollout, rollout=rollout, saved=None))
                ended = list(self._rollouts)[-(KEPT - 1) :]
                self._rollouts = {each: self._rollouts[each] for each in ended} | {rollout.rollout_id: rollout}
                self._set_active(rollout)
        finally:
            self._is_beginning = False
        self._changed.set()
        _log.info("rollout_started", rollout_id=rollout.rollout_id, build=rollout.build, sessions=len(rollout.moves))
        return rollout

    async def cancel(self, rollout_id: str) -> Rollout:
        """Have a roll-out undone: every session that it has touched goes back to what it ran before.

        Raises:
            BuildNotFoundError: there is none with this id.
            ConflictError: it is over, or all its sessions are moved and begin to pin its build, or it is being undone.
            StorageFullError: it could not be recorded; it goes on.
        """
        return await self._records.background.finish(partial(self._call_off, rollout_id))

    async def _call_off(self, rollout_id: str) -> Rollout:
        async with self._writing:
            undone = cancelled(self.get(rollout_id), "called off")
            if undone is None:
                state = self.get(rollout_id).state
                raise ConflictError(f"the roll-out {rollout_id} is {state}: nothing is left to be called off")
            await self._save(undone)
        self._changed.set()
        return undone

    async def run(self) -> None:
        """Carry out what is under way, from wherever it was left, until cancelled."""
        while not self._sessions.directory.is_ready:
            await self._pause()
        while True:
            if self._active is None:
                self._changed.clear()
                await self._changed.wait()
                continue
            try:
                await self._go_on(self._active)
            except DrainingError:
                await self._pause()
            except StorageFullError as error:  # nothing was done that is not on disk; what is missing is written later
                _log.warning("rollout_not_recorded", rollout_id=self._active.rollout_id, error=str(error))
                await self._pause()

    async def _go_on(self, rollout: Rollout) -> None:
        fallen = self._fallen(rollout)
        if fallen is not None:
            session_id, detail = fallen
            await self._record(rollout, partial(settled, session_id=session_id, is_well=False, detail=detail))
            return
        move = next_move(rollout)
        if move is not None:
            await self._move(rollout, move)
            return
        newcomers = self._newcomers(rollout)
        if newcomers:
            await self._record(rollout, lambda present: joined(present, newcomers))
            return
        following = all_well(rollout, self._clock.now().at)
        if following.state is RolloutState.DONE and not following.is_default:
            await self._pin(following)
        await self._record(rollout, lambda present: all_well(present, self._clock.now().at))

    def _fallen(self, rollout: Rollout) -> tuple[SessionId, str] | None:
        """Return a session that came back well, but is not any more, and what is wrong with it; None: all are well."""
        if rollout.state is RolloutState.HALTED or self._has_pinned(rollout):
            return None
        for move in rollout.moves:
            session = self._sessions.find(move.session_id)
            if session is None or move.state is not MoveState.MOVED or move.expected is None:
                continue
            if has_fallen(session, move.expected, rollout.build):
                return move.session_id, _told(session, move.expected, rollout.build)
        return None

    def _has_pinned(self, rollout: Rollout) -> bool:
        """Tell whether it has come to its end already: from then on its sessions have nothing else to go back to."""
        found = [self._sessions.find(each.session_id) for each in rollout.moves]
        return not rollout.is_default and any(each is not None and each.spec.build == rollout.build for each in found)

    def _newcomers(self, rollout: Rollout) -> list[SessionId]:
        """Return sessions that were made, or lost their pin, while the others were moved, and run something else."""
        if rollout.state is not RolloutState.OTHERS or not rollout.is_default:
            return []
        known = {each.session_id for each in rollout.moves}
        running = [
            each for each in self._sessions.unpinned() if each.launch is not None and build_of(each) != rollout.build
        ]
        return [each for each in in_order(running) if each not in known]

    async def _move(self, rollout: Rollout, move: RolloutMove) -> None:
        """Restart one session so that it runs what it shall, and record what became of it."""
        session = self._sessions.find(move.session_id)
        if session is None:
            await self._record(rollout, partial(settled, session_id=move.session_id, is_well=True))
            return
        if rollout.is_default and move.state is MoveState.WAITING and session.spec.build is not None:
            detail = f"it pins {session.spec.build}"
            await self._record(rollout, partial(left_out, session_id=move.session_id, detail=detail))
            return
        is_way_back = rollout.state is RolloutState.HALTED
        build = self._sessions.choices.without_rollout(session) if is_way_back else rollout.build
        expected = expected_back(move, session, build) if is_way_back else move.expected or expected_of(session)
        if not await self._record(rollout, partial(begun, session_id=move.session_id, expected=expected)):
            return
        try:
            await self._restart(session, expected, build, is_way_back=is_way_back)
            lost = await self._await_back(rollout, move.session_id, expected, build)
        except (SessionNotFoundError, IllegalTransitionError):  # it is gone, or being deleted
            lost = None
        except (DrainingError, StorageFullError):
            raise
        except OpenwaManagerError as error:
            lost = str(error)
        is_well = lost is None
        outcome = partial(settled, session_id=move.session_id, is_well=is_well, detail=lost)
        if await self._record(rollout, outcome):
            log = _log.info if is_well else _log.warning
            log("rollout_session_settled", session_id=move.session_id, build=build, is_well=is_well, detail=lost)

    async def _restart(self, session: Session, expected: Expected, build: BuildName, *, is_way_back: bool) -> None:
        """Restart a session that shall run, unless it runs this build already: then a daemon ended in between.

        On the way back what runs decides: nobody is left on the build that is taken back.
        """
        runs = build_of(session)
        is_touched = expected is not Expected.NOTHING or (is_way_back and runs is not None)
        if is_touched and session.desired is Desired.RUNNING and runs != build:
            await self._sessions.requests.restart(session.session_id)

    async def _await_back(
        self, rollout: Rollout, session_id: SessionId, expected: Expected, build: BuildName
    ) -> str | None:
        """Return None once the session is well and stays so, or the roll-out is called off; else what is wrong."""
        within_s = self._patience.back_within_s
        steady_s = self._patience.canary_steady_s if rollout.state is RolloutState.CANARY else self._patience.steady_s
        judge = partial(verdict_on, expected=expected, build=build)
        # Until it is launched it waits its turn at the start gate: that is no fault of the build's.
        gate_due_s = self._clock.now().boot_s + within_s
        await self._until(
            session_id, lambda each: build_of(each) == build or judge(each) is not Verdict.PENDING, gate_due_s
        )
        due_s = self._clock.now().boot_s + within_s
        while True:
            session = await self._until(session_id, lambda each: judge(each) is not Verdict.PENDING, due_s)
            if judge(session) is Verdict.WELL and expected is not Expected.NOTHING:
                steady_due_s = self._clock.now().boot_s + steady_s
                session = await self._until(session_id, lambda each: judge(each) is not Verdict.WELL, steady_due_s)
            verdict, is_late = judge(session), self._clock.now().boot_s >= due_s
            if verdict is Verdict.WELL or self._is_other(rollout):
                return None
            if verdict is Verdict.LOST or is_late:
                return _told(session, expected, build, within_s=None if verdict is Verdict.LOST else within_s)

    async def _until(self, session_id: SessionId, is_met: Callable[[Session], bool], due_boot_s: float) -> Session:
        """Return the session once it meets the condition, the time is over, or the roll-out is called off."""
        within_s = max(0.0, due_boot_s - self._clock.now().boot_s)
        state = self._active.state if self._active is not None else None
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(self._refusal_to_wait(session_id, is_met, within_s))
            called = tasks.create_task(self._until_state_changes(state))
            await asyncio.wait({waiting, called}, return_when=asyncio.FIRST_COMPLETED)
            called.cancel()
            waiting.cancel()
        if not waiting.cancelled() and (refusal := waiting.result()) is not None:
            raise refusal
        return self._sessions.directory.get(session_id)

    async def _refusal_to_wait(
        self, session_id: SessionId, is_met: Callable[[Session], bool], within_s: float
    ) -> OpenwaManagerError | None:
        """Return None once the session meets the condition or the time is over; else why nobody can wait for it."""
        try:
            await self._sessions.directory.wait(session_id, is_met, within_s)
        except OpenwaManagerError as error:
            return error
        return None

    async def _until_state_changes(self, state: RolloutState | None) -> None:
        while self._active is not None and self._active.state is state:
            self._changed.clear()
            await self._changed.wait()

    def _is_other(self, rollout: Rollout) -> bool:
        return self._active is None or self._active.state is not rollout.state

    async def _pin(self, rollout: Rollout) -> None:
        """Have the sessions of a roll-out that was not for all run its build from now on."""
        for move in rollout.moves:
            with suppress(SessionNotFoundError, IllegalTransitionError):
                await self._sessions.requests.change(move.session_id, partial(replace, build=rollout.build))

    async def _record(self, rollout: Rollout, change: Callable[[Rollout], Rollout]) -> bool:
        """Change the roll-out and record that; False when it was called off since it was as it is given."""
        async with self._writing:
            if self._active is None or self._is_other(rollout):
                return False
            await self._save(change(self._active))
            return True

    async def _save(self, rollout: Rollout) -> None:
        """Record a roll-out, then have the sessions' next launches follow it."""
        default = self._catalog.default
        becomes = rollout.state is RolloutState.DONE and rollout.is_default and default.name != rollout.build
        changed = DefaultBuild(rollout.build, default.name) if becomes else None
        saved = self._rollouts[rollout.rollout_id]
        await self._records.database.write(partial(save_rollout, rollout=rollout, saved=saved, default=changed))
        self._rollouts[rollout.rollout_id] = rollout
        if changed is not None:
            self._catalog.note_default(changed)
        self._set_active(None if rollout.is_over else rollout)
        if rollout.is_over:
            self._tell_end(rollout)

    def _tell_end(self, rollout: Rollout) -> None:
        is_done = rollout.state is RolloutState.DONE
        log = _log.info if is_done else _log.warning
        log("rollout_ended", rollout_id=rollout.rollout_id, state=rollout.state, detail=rollout.detail)
        entry = NewEntry(
            actor=DAEMON, action="build.rollout", target=rollout.build, detail={"state": rollout.state.value}
        )
        self._records.audit.note(entry if is_done else replace(entry, result=FAILED))

    def _set_active(self, rollout: Rollout | None) -> None:
        self._active = rollout
        self._sessions.choices.follow(rollout)

    async def _pause(self) -> None:
        await self._clock.sleep_until(self._clock.now().boot_s + _RETRY_S)


def _told(session: Session, expected: Expected, build: BuildName, within_s: float | None = None) -> str:
    """Return what is wrong with a session that did not come back, or (`within_s`) not in that time."""
    reason = "" if session.reason is None else f": {session.reason.detail}"
    late = "" if within_s is None else f" after {within_s:g} s"
    return f"it was {expected.value} and is {session.status} on {build}{late}{reason}"
