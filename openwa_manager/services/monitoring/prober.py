"""Asks every running engine how its link is, and reports those that do not answer or give no sign of life."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import structlog

from openwa_manager.domain.errors import EngineError, FilesStuckError
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.deadlines import MAX_LATE_S
from openwa_manager.domain.session.reasons import ProbesMissed, ReasonCode, Silence
from openwa_manager.domain.session.restart import ProbePolicy
from openwa_manager.domain.session.session import LinkState, SessionId
from openwa_manager.domain.session.stimuli import ActivitySeen, EngineFaulted, LinkReport, LinkReported, SilenceNoticed
from openwa_manager.domain.texts import DETAIL_MAX
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.processes.host_limits import is_host_limit
from openwa_manager.services.monitoring.data_inspector import DataInspector
from openwa_manager.services.monitoring.log_looks import LogLooks
from openwa_manager.services.monitoring.probe_records import ProbeRecord, ProbeRecords
from openwa_manager.services.sessions.engine_inbox import RunningEngine, RunningEngines

_log = structlog.get_logger()

#: Into how many parts a long period is cut; in each part those whose turn it is are asked.
_TICKS = 15
#: How much later than its timeout a probe may end, at least, before we must have been away ourselves.
_LATE_MIN_S = 0.25


class Prober:
    """Spreads the probes over the period; a probe that changes nothing writes nothing."""

    def __init__(
        self,
        clock: Clock,
        chance: Callable[[], float],
        policy: ProbePolicy,
        engines: RunningEngines,
        inspector: DataInspector,
        files: EngineFiles,
    ) -> None:
        self._inspector = inspector
        self._logs = LogLooks(files)
        self._clock = clock
        self._chance = chance
        self._policy = policy
        self._engines = engines
        self.records = ProbeRecords()
        self._asked: set[SessionId] = set()
        self._excused_boot_s = clock.now().boot_s
        self._woken = asyncio.Event()

    def record(self, session_id: SessionId) -> ProbeRecord | None:
        """Return what the probes have shown of the session's running engine; None when it does not run."""
        return self.records.find(session_id)

    def due_at(self, session_id: SessionId) -> float | None:
        """Return when the session's engine is asked next (wall time); None when it does not run."""
        record, now = self.records.find(session_id), self._clock.now()
        return None if record is None else now.at + max(0.0, record.due_boot_s - now.boot_s)

    def probe_all(self) -> None:
        """Forget all misses and all silence and ask every engine soon: the daemon was not there to hear the answers."""
        now_s = self._excused_boot_s = self._clock.now().boot_s
        self.records.excuse(now_s)
        self._woken.set()

    async def run(self) -> None:
        """Probe until cancelled."""
        tick_s = max(min(1.0, self._policy.period_s / 4), self._policy.period_s / _TICKS)
        async with asyncio.TaskGroup() as probes:
            due_s = self._clock.now().boot_s
            while True:
                now_s = self._clock.now().boot_s
                if now_s - due_s > MAX_LATE_S:
                    self.probe_all()
                self.records.keep_only(self._engines.running_launches(), now_s, self._first_pause_s)
                for session_id in self.records.due(now_s):
                    running = self._engines.running_engine(session_id)
                    if running is not None and session_id not in self._asked:
                        self._asked.add(session_id)
                        probes.create_task(self._probe(running))
                due_s = now_s + tick_s
                self._woken.clear()
                await self._clock.wait(self._woken, due_s)

    def _first_pause_s(self) -> float:
        return self._policy.period_s * self._chance()

    async def _probe(self, running: RunningEngine) -> None:
        session_id = running.session.session_id
        began_s, before = self._clock.now().boot_s, self.records.of(session_id)
        try:
            record = await self._ask(running, before)
            has_slept = self._has_slept_since(began_s)
            if record is not None and not _has_sign_since(began_s, record):
                record = await self._look_at_log(running, record)
        finally:
            self._asked.discard(session_id)
        current = self.records.find(session_id)
        if current is None or current.launch_id != before.launch_id:
            return
        next_s = began_s + self._policy.period_s
        if record is None or (record.misses and (has_slept or began_s < self._excused_boot_s)):
            self.records.put(session_id, replace(current, due_boot_s=next_s))
            return
        record = replace(record, due_boot_s=next_s, sign_boot_s=_newest_sign(running, record))
        self.records.conclude(session_id, record)
        self._judge(running, record)
        await self._inspector.after_probe(running, was_answered=not record.misses)

    def _has_slept_since(self, began_s: float) -> bool:
        """Tell whether this probe went unanswered because the daemon, not the engine, was stopped."""
        elapsed_s = self._clock.now().boot_s - began_s
        late_s = min(MAX_LATE_S, max(_LATE_MIN_S, self._policy.timeout_s / 4))
        return began_s < self._excused_boot_s or elapsed_s > self._policy.timeout_s + late_s

    async def _look_at_log(self, running: RunningEngine, record: ProbeRecord) -> ProbeRecord:
        """Return the record with the log's state, and a sign of life if something was written since the last look."""
        session_id = running.session.session_id
        try:
            log = await self._logs.look(session_id, running.log_path, record.log)
        except FilesStuckError:
            return record
        if record.has_looked and log not in (None, record.log):
            running.tell(ActivitySeen(launch_id=record.launch_id))
            record = replace(record, sign_boot_s=self._clock.now().boot_s)
        return replace(record, log=log, has_looked=True)

    async def _ask(self, running: RunningEngine, record: ProbeRecord) -> ProbeRecord | None:
        """Return what the answer, or its absence, shows; None when we could not even ask."""
        try:
            async with asyncio.timeout(self._policy.timeout_s):
                observations = await running.engine.observe(running.session, running.launch)
        except (EngineError, TimeoutError) as error:
            if is_host_limit(error):
                _log.warning("engine_not_asked", session_id=running.session.session_id, error=str(error))
                return None
            detail = str(error) or f"no answer within {self._policy.timeout_s:g} s"
            return replace(record, misses=record.misses + 1, detail=detail[:DETAIL_MAX])
        if observations or running.engine.capabilities.answers_probes:
            running.tell(ActivitySeen(launch_id=record.launch_id), *observations)
            now = self._clock.now()
            return replace(
                record,
                misses=0,
                answered_at=now.at,
                sign_boot_s=now.boot_s,
                detail="answered",
                log=None,  # no later look may compare with one before the answer
                has_looked=False,
            )
        return replace(record, misses=0, detail="has no way to answer")

    def _judge(self, running: RunningEngine, record: ProbeRecord) -> None:
        must_answer = running.engine.capabilities.answers_probes or record.answered_at is not None
        if must_answer and record.misses >= self._policy.misses:
            facts = ProbesMissed(count=record.misses, error=record.detail)
            _log.warning("engine_unresponsive", session_id=running.session.session_id, misses=record.misses)
            running.tell(EngineFaulted(launch_id=record.launch_id, code=ReasonCode.ENGINE_UNRESPONSIVE, facts=facts))
            return
        now_s = self._clock.now().boot_s
        is_silent = now_s - max(record.quiet_boot_s, record.sign_boot_s or 0.0) > self._policy.silence_s
        gives_signs = running.has_heartbeat or must_answer
        reason = running.session.reason
        if is_silent and gives_signs and running.session.link is LinkState.CONNECTED:
            self.records.put(running.session.session_id, replace(record, silent_boot_s=now_s))
            running.tell(SilenceNoticed(launch_id=record.launch_id, limit_s=self._policy.silence_s))
        if reason is None or not isinstance(reason.facts, Silence):
            return
        if (
            running.session.link is LinkState.DISCONNECTED
            and record.sign_boot_s is not None
            and record.sign_boot_s > record.silent_boot_s
            and not running.engine.capabilities.reports_link
        ):
            running.tell(LinkReported(launch_id=record.launch_id, link=LinkReport.CONNECTED))


def _newest_sign(running: RunningEngine, record: ProbeRecord) -> float | None:
    """Return when the newest sign of life was noticed: an answer, a post, or a line in the log."""
    signs = [each for each in (record.sign_boot_s, running.posted_boot_s) if each is not None]
    return max(signs, default=None)


def _has_sign_since(began_s: float, record: ProbeRecord) -> bool:
    return record.sign_boot_s is not None and record.sign_boot_s >= began_s
