"""The one wall a bug in a supervisor cannot pass: its session starts over from disk, and no neighbour notices."""

from collections import deque
from functools import partial

import structlog

from openwa_manager.domain.session import ReasonCode
from openwa_manager.domain.stimuli import EngineFaulted
from openwa_manager.services.equipment import Equipment
from openwa_manager.services.reconciler import examine
from openwa_manager.services.supervisor import Supervisor
from openwa_manager.store import registry

_log = structlog.get_logger()

_BUGS_FORGIVEN = 3
_BUG_WINDOW_S = 600.0


async def keep_running(supervisor: Supervisor, equipment: Equipment) -> None:
    """Run a supervisor until its session is gone; the third bug within 10 min ends the engine and fails the session."""
    bugs: deque[float] = deque(maxlen=_BUGS_FORGIVEN)
    while not supervisor.is_gone:
        try:
            await supervisor.run()
        except Exception:  # noqa: BLE001 (the bulkhead: whatever it is, it stays here)
            _log.exception("supervisor_failed", session_id=supervisor.session.session_id)
            bugs.append(equipment.clock.now().boot_s)
            is_hopeless = len(bugs) == _BUGS_FORGIVEN and bugs[-1] - bugs[0] < _BUG_WINDOW_S
            await _rebuild(supervisor, equipment, is_hopeless=is_hopeless)


async def _rebuild(supervisor: Supervisor, equipment: Equipment, *, is_hopeless: bool) -> None:
    session_id = supervisor.session.session_id
    recorded = await equipment.database.read(partial(registry.load_session, session_id=session_id))
    session = recorded or supervisor.session
    supervisor.rebuild(session)
    supervisor.tell(await examine(session, equipment))
    if is_hopeless and session.launch is not None:
        detail = "the daemon failed three times on this session; its log says where"
        supervisor.tell(
            EngineFaulted(launch_id=session.launch.launch_id, code=ReasonCode.INTERNAL_ERROR, detail=detail)
        )
