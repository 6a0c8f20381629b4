"""Runs the daemon with its fixed periods shortened and little kept, and writes down what it holds in memory.

`python -m tests.soak.hurried FACTOR KEPT_S FILE COMMAND…` divides the periods by the factor and keeps for `KEPT_S`
what is kept for days. COMMAND is one that would run the daemon; only its words behind the package's name are of use.
Periods and times that are settings are given as such.
"""

import asyncio
import gc
import json
import sys
import time
from pathlib import Path
from threading import Thread
from types import ModuleType

from openwa_manager.cli import main as run
from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.monitoring import prober
from openwa_manager.services.monitoring.probe_records import ProbeRecord, ProbeRecords
from openwa_manager.services.upkeep import store_upkeep
from openwa_manager.store.delivery.retention import Retention
from openwa_manager.store.messaging import idempotency
from openwa_manager.store.messaging.people import checks
from openwa_manager.store.sessions import engine_events

#: What is divided by the factor, and how long what is kept for days is kept otherwise.
PERIODS: dict[ModuleType, tuple[str, ...]] = {
    store_upkeep: ("_STORE_PERIOD_S", "_BACKLOG_PERIOD_S", "_LOG_PERIOD_S", "_RESERVE_PERIOD_S")
}
KEPT: dict[ModuleType, tuple[str, ...]] = {
    store_upkeep: ("AUDIT_KEPT_S",),
    engine_events: ("KEPT_S",),
    idempotency: ("REMEMBERED_S",),
    checks: ("YES_S", "NO_S"),
}
#: Between two looks at all objects; one takes some 50 ms.
_LOOK_S = 5.0


class _CountingRecords(ProbeRecords):
    """Counts the probes that were answered or missed."""

    probe_count = 0

    def conclude(self, session_id: SessionId, record: ProbeRecord) -> None:
        _CountingRecords.probe_count += 1
        super().conclude(session_id, record)


def hurry(factor: float, kept_s: float) -> None:
    """Shorten what the modules of this process go by."""
    for module, names in PERIODS.items():
        for name in names:
            setattr(module, name, getattr(module, name) / factor)
    for module, names in KEPT.items():
        for name in names:
            assert getattr(module, name) > kept_s
            setattr(module, name, kept_s)
    setattr(prober, "ProbeRecords", _CountingRecords)  # noqa: B010 (of a name that it does not export)
    store_upkeep.RETENTION = Retention(delivered_s=kept_s, dead_s=kept_s)


def _write_down(path: Path) -> None:
    """Write down for ever how many objects, tasks and probes there are."""
    while True:
        time.sleep(_LOOK_S)
        objects = gc.get_objects()
        tasks = sum(isinstance(each, asyncio.Task) for each in objects)
        probes = _CountingRecords.probe_count
        seen = {"at_s": time.monotonic(), "objects": len(objects), "tasks": tasks, "probes": probes}
        del objects
        with path.open("a", encoding="utf-8") as file:
            print(json.dumps(seen), file=file)


def main(words: list[str]) -> None:
    """Run the daemon until it ends."""
    factor, kept_s, path, *command = words
    hurry(float(factor), float(kept_s))
    sys.argv = ["openwa-manager", *command[command.index("openwa_manager") + 1 :]]
    Thread(target=_write_down, args=(Path(path),), daemon=True).start()
    sys.exit(run())


if __name__ == "__main__":
    main(sys.argv[1:])
