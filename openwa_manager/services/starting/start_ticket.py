"""Takes one session through the start gate: a slot, an address, then a launch that is on disk before it begins."""

import asyncio
import secrets
import uuid
from collections.abc import Callable, Sequence
from typing import Protocol

from openwa_manager.domain.errors import PortInUseError, StorageFullError
from openwa_manager.domain.session.commands import Dequeue, Enqueue
from openwa_manager.domain.session.deadlines import Moment
from openwa_manager.domain.session.decisions import Decisions
from openwa_manager.domain.session.reasons import ReasonCode, Words
from openwa_manager.domain.session.session import Launch, LaunchId, ProcessState, Session
from openwa_manager.domain.session.stimuli import Observation, SlotDelayed, SlotGranted
from openwa_manager.services.starting.dependencies import Dependencies
from openwa_manager.services.starting.start_gate import Shortage

#: How long to wait before the next try at what a full disk or a full port range prevented.
_RETRY_S = 1.0


class Listener(Protocol):
    """Who hears how the way to a launch goes: the session's supervisor."""

    def tell(self, *observations: Observation) -> None:
        """Take note of what was observed."""
        ...

    async def hear(self, observations: Sequence[Observation]) -> Session:
        """Return the session once these are recorded.

        Raises:
            StorageFullError: they could not be recorded.
        """
        ...


class StartTicket:
    """One session's place at the start gate, and the port of the launch it is offered there.

    It holds a slot until its session is no longer starting, and a port until its session has no launch. `current`
    returns the session as it is when asked.
    """

    def __init__(self, current: Callable[[], Session], dependencies: Dependencies, listener: Listener) -> None:
        self._current = current
        self._session_id = current().session_id
        self._engine = current().spec.engine
        self._dependencies = dependencies
        self._listener = listener
        self._turn: asyncio.Event | None = None
        self._search: asyncio.Task[None] | None = None
        self._offered: Launch | None = None
        self._has_seized = False

    @property
    def is_waiting(self) -> bool:
        """Tell whether it may take long until the session is launched: others go first, or something is missing."""
        return self._turn is not None and not self._turn.is_set()

    def is_offering(self, launch: Launch) -> bool:
        """Tell whether this launch may begin: an offer that was taken back may still be in the mailbox."""
        return self._offered == launch

    def queue(self, cause: ReasonCode, number: int, tasks: asyncio.TaskGroup) -> None:
        """Begin to seek a slot for launch `number`, behind all who wait already; a search under way is given up."""
        self.cancel()
        self._enter()
        self._search = tasks.create_task(self._find(cause, number))

    def launch_at_once(self, decisions: Decisions, moment: Moment) -> None:
        """Let a launch for which a slot is free join the batch that asks for it: a commit less stands in its way.

        `take_back` says that the batch could not be recorded.
        """
        asked = [command for command in decisions.commands if isinstance(command, Enqueue | Dequeue)]
        if asked and isinstance(asked[-1], Enqueue):
            launch = self.seize(asked[-1].cause, decisions.session.launch_count + 1)
            if launch is not None:
                decisions.commands = [command for command in decisions.commands if command not in asked]
                decisions.consider(SlotGranted(launch=launch), moment)

    def seize(self, cause: ReasonCode, number: int) -> Launch | None:
        """Return launch `number` with a slot that is free at once; None if there is none, or one is sought already."""
        is_seeking = self._search is not None and not self._search.done()
        if is_seeking or not self._dependencies.gate.seize(self._session_id):
            return None
        try:
            launch = self._make_launch(cause, number)
        except PortInUseError:
            self._dependencies.gate.leave(self._session_id)
            return None
        self._has_seized = True
        return launch

    def take_back(self, session: Session) -> None:
        """Give back what was seized, for the session stays as it was; without effect when nothing was."""
        if self._has_seized:
            self.cancel()
            self.hold_port(session)

    def hold_port(self, session: Session) -> None:
        """Have the port of the session's launch given to nobody else."""
        self._dependencies.ports.give_back(self._session_id)
        if session.launch is not None:
            is_listening = session.launch.socket is None
            self._dependencies.ports.hold(self._session_id, session.launch.port, listens=is_listening)

    def cancel(self) -> None:
        """Leave the gate, whether there is a slot already or not."""
        if self._search is not None:
            self._search.cancel()
        self._search, self._turn, self._offered, self._has_seized = None, None, None, False
        self._dependencies.gate.leave(self._session_id)

    def follow(self, session: Session) -> None:
        """Give back the slot once the session is not starting any more, and the port once it has no launch."""
        self._has_seized = False
        if session.process is not ProcessState.STARTING:
            self.cancel()
        if session.launch is None and self._offered is None:
            self._dependencies.ports.give_back(self._session_id)

    def _enter(self) -> None:
        self._turn = self._dependencies.gate.enter(self._session_id, self._report_delay)

    def _report_delay(self, shortage: Shortage) -> None:
        self._listener.tell(SlotDelayed(code=shortage.code, facts=shortage.facts))

    async def _find(self, cause: ReasonCode, number: int) -> None:
        """Seek a slot and offer a launch until one is on disk."""
        clock = self._dependencies.clock
        while True:
            if self._turn is not None:
                await self._turn.wait()
            delayed = await self._offer(cause, number)
            if delayed is None:
                return
            # The slot goes to the next in the queue, who may have what this session lacks (a port of its own, say).
            self._turn = asyncio.Event()  # lost until it is sought anew
            self._dependencies.gate.leave(self._session_id)
            self._listener.tell(delayed)
            await clock.sleep_until(clock.now().boot_s + _RETRY_S)
            self._enter()

    async def _offer(self, cause: ReasonCode, number: int) -> SlotDelayed | None:
        """Return None once a launch is on disk, or not wanted any more; else why there can be none now."""
        try:
            launch = self._make_launch(cause, number)
        except PortInUseError as error:
            return SlotDelayed(code=ReasonCode.PORT_IN_USE, facts=Words(text=str(error)))
        self._offered = launch
        try:
            session = await self._listener.hear((SlotGranted(launch=launch),))
        except StorageFullError:
            self._offered = None
            self._dependencies.ports.give_back(self._session_id)
            return SlotDelayed(code=ReasonCode.DISK_FULL)
        self._offered = None
        self.follow(session)
        return None

    def _make_launch(self, cause: ReasonCode, number: int) -> Launch:
        """Return launch `number`, with an address of its own.

        Raises:
            PortInUseError: its engine needs a port, and none is free.
        """
        has_socket = self._dependencies.engines[self._engine].capabilities.listens_on_socket
        launch_id = LaunchId(uuid.uuid4().hex)
        return Launch(
            launch_id=launch_id,
            number=number,
            port=self._dependencies.ports.take(self._session_id, listens=not has_socket),
            secret=secrets.token_urlsafe(32),
            cause=cause,
            launched_at=self._dependencies.clock.now().at,
            socket=self._dependencies.sockets.path_of(launch_id) if has_socket else None,
            build=self._dependencies.builds.of(self._current()),
        )
