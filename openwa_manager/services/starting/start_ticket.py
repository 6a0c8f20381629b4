"""How one session gets from the decision to start to a launch: a slot of the start gate, then a port and a launch."""

import secrets
import uuid
from dataclasses import dataclass, replace

from openwa_manager.domain.errors import PortInUseError
from openwa_manager.domain.ports import Tell
from openwa_manager.domain.session.commands import Dequeue, Enqueue
from openwa_manager.domain.session.deadlines import Moment
from openwa_manager.domain.session.decisions import Decisions
from openwa_manager.domain.session.reasons import ReasonCode, Words
from openwa_manager.domain.session.session import Launch, LaunchId, ProcessState, SessionId
from openwa_manager.domain.session.stimuli import SlotDelayed, SlotGranted
from openwa_manager.processes.ports import PortPool
from openwa_manager.services.starting.start_gate import QueuedStart, Shortage, StartGate


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketState:
    """Where the search for a slot stands; `cause` None means that none is sought."""

    cause: ReasonCode | None = None
    is_queued: bool = False
    is_admitted: bool = False

    @property
    def is_stuck(self) -> bool:
        """Tell whether only a new try can bring the search on: nobody will call."""
        return self.cause is not None and not self.is_queued


class StartTicket:
    """Speaks with the start gate for one session, and makes its launches."""

    def __init__(self, session_id: SessionId, gate: StartGate, ports: PortPool, tell: Tell) -> None:
        self._session_id = session_id
        self._gate = gate
        self._ports = ports
        self._tell = tell
        self.search = TicketState()

    def follow(self, batch: Decisions, moment: Moment, *, is_disk_full: bool) -> None:
        """Do what the batch decided about the gate; a slot that is free at once joins this very batch.

        With `is_broke` nothing can be recorded, so nothing may be launched.
        """
        sought = [command for command in batch.commands if isinstance(command, Enqueue | Dequeue)]
        if sought:
            batch.commands = [command for command in batch.commands if not isinstance(command, Enqueue | Dequeue)]
            self._gate.leave(self._session_id)
            self.search = TicketState(cause=sought[-1].cause if isinstance(sought[-1], Enqueue) else None)
        if batch.session.process is not ProcessState.STARTING:
            self._gate.leave(self._session_id)
            self.search = TicketState()
        if self.search.cause is None:
            return
        if is_disk_full:
            batch.consider(SlotDelayed(code=ReasonCode.DISK_FULL), moment)
        elif self._is_admitted():
            self._launch(batch, moment, self.search.cause)

    def reopen(self, former: TicketState) -> None:
        """Go on as before a batch that could not be recorded; the gate is asked anew, since it has heard of that batch.

        Meanwhile it may also have called this session's turn, or have been told to forget it.
        """
        self.search = TicketState(cause=former.cause)

    def _is_admitted(self) -> bool:
        if not self.search.is_queued and not self.search.is_admitted:
            is_free = self._gate.enter(self._session_id, QueuedStart(admit=self._admit, delay=self._report_delay))
            self.search = replace(self.search, is_admitted=is_free, is_queued=not is_free)
        return self.search.is_admitted

    def _admit(self) -> None:
        self.search = replace(self.search, is_queued=False, is_admitted=True)
        self._tell()

    def _report_delay(self, shortage: Shortage) -> None:
        self._tell(SlotDelayed(code=shortage.code, facts=shortage.facts))

    def _launch(self, batch: Decisions, moment: Moment, cause: ReasonCode) -> None:
        try:
            port = self._ports.take(self._session_id)
        except PortInUseError as error:
            self._gate.leave(self._session_id)
            self.search = TicketState(cause=cause)
            batch.consider(SlotDelayed(code=ReasonCode.PORT_IN_USE, facts=Words(text=str(error))), moment)
            return
        launch = Launch(
            launch_id=LaunchId(uuid.uuid4().hex),
            number=batch.session.launch_count + 1,
            port=port,
            secret=secrets.token_urlsafe(32),
            cause=cause,
            launched_at=moment.at,
        )
        self.search = TicketState()
        batch.consider(SlotGranted(launch=launch), moment)
