"""What the probes have shown of each running engine."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from openwa_manager.domain.session.session import LaunchId, SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.services.monitoring.log_looks import LogState


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRecord:
    """What the probes of one launch have shown; `answered_at` is wall time, None while it never answered.

    `sign_boot_s` says when the newest sign of life was noticed (None: none yet), `quiet_boot_s` since when silence
    counts, `silent_boot_s` when the engine was last found silent (before this record: when the record began). They are
    compared with each other only: the wall clock may be set, and a log's date and a post's are not of one clock then.
    So all that counts of the log's date is whether it is another than at the last look (`log`, once `has_looked`),
    which is taken only at an engine that gave no answer.
    """

    launch_id: LaunchId
    due_boot_s: float
    quiet_boot_s: float
    silent_boot_s: float
    log: LogState | None = None
    has_looked: bool = False
    sign_boot_s: float | None = None
    misses: int = 0
    answered_at: float | None = None
    detail: str = "not asked yet"


class ProbeRecords:
    """The record of each running launch; `miss_count` is how many probes went unanswered since the daemon's start."""

    def __init__(self) -> None:
        self._records: dict[SessionId, ProbeRecord] = {}
        self.miss_count = 0

    def find(self, session_id: SessionId) -> ProbeRecord | None:
        """Return the record of a session's running engine; None when it has none."""
        return self._records.get(session_id)

    def of(self, session_id: SessionId) -> ProbeRecord:
        """Return the record of a session's running engine.

        Raises:
            KeyError: it has none.
        """
        return self._records[session_id]

    def put(self, session_id: SessionId, record: ProbeRecord) -> None:
        """Keep what is known now, without a probe that ended."""
        self._records[session_id] = record

    def conclude(self, session_id: SessionId, record: ProbeRecord) -> None:
        """Keep what a probe has shown, and count it if it went unanswered."""
        self._records[session_id] = record
        self.miss_count += record.misses > 0

    def excuse(self, now_s: float) -> None:
        """Forget all misses and all silence until now, and have every engine asked at once (boot time)."""
        self._records = {
            session_id: replace(record, misses=0, due_boot_s=now_s, quiet_boot_s=now_s)
            for session_id, record in self._records.items()
        }

    def due(self, now_s: float) -> list[SessionId]:
        """Return the sessions whose engine is to be asked by now (boot time)."""
        return [session_id for session_id, record in self._records.items() if record.due_boot_s <= now_s]

    def keep_only(
        self, launches: Mapping[SessionId, LaunchId], now_s: float, first_pause_s: Callable[[], float]
    ) -> None:
        """Have one record for each running launch, and none for any other; a new one is due after its pause."""
        records: dict[SessionId, ProbeRecord] = {}
        for session_id, launch_id in launches.items():
            record = self._records.get(session_id)
            if record is None or record.launch_id != launch_id:
                due_s = now_s + first_pause_s()
                record = ProbeRecord(launch_id=launch_id, due_boot_s=due_s, quiet_boot_s=now_s, silent_boot_s=now_s)
            records[session_id] = record
        self._records = records
