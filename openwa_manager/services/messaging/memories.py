"""Remembers of each running engine where it keeps the keys of messages, so that a send need not ask for it first."""

from openwa_manager.domain.messaging.retries import EngineMemory
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import LaunchId, SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.services.messaging.sending.reach import Reached

#: How long it is believed that it cannot be told by what the files of an engine are known.
_UNTOLD_S = 30.0
#: Of so many engines it is remembered, those asked last: sessions come and go.
_REMEMBERED = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What a launch has told; `until_boot_s` None means that it is true as long as the launch lasts."""

    launch_id: LaunchId
    memory: EngineMemory
    until_boot_s: float | None

    def is_good(self, launch_id: LaunchId, now_boot_s: float) -> bool:
        """Tell whether it is still true of this launch."""
        return self.launch_id == launch_id and (self.until_boot_s is None or now_boot_s < self.until_boot_s)


class EngineMemories:
    """Asks each launch once; what it could not tell is asked again: at once if it did not answer, else after a while.

    What is remembered is for the attempt that is about to begin. Whether an engine may be asked about a former attempt
    is decided by what it says then (`ask`): a memory that has changed since is another one, and nothing is sent again.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: dict[SessionId, _Told] = {}

    async def of(self, reached: Reached) -> EngineMemory:
        """Return where the engine keeps the keys of messages; a part that it cannot tell is None."""
        told = self._told.get(reached.session.session_id)
        if told is not None and told.is_good(reached.launch.launch_id, self._clock.now().boot_s):
            return told.memory
        return await self.ask(reached)

    async def ask(self, reached: Reached) -> EngineMemory:
        """Return the same as the engine says now, and remember that for the attempts to come."""
        session_id, launch_id = reached.session.session_id, reached.launch.launch_id
        memory = await reached.memory()
        self._told.pop(session_id, None)
        if memory.version is not None and memory.inner_id is not None:  # else it did not answer
            until_boot_s = None if memory.data_id is not None else self._clock.now().boot_s + _UNTOLD_S
            self._told[session_id] = _Told(launch_id=launch_id, memory=memory, until_boot_s=until_boot_s)
            if len(self._told) > _REMEMBERED:
                del self._told[next(iter(self._told))]
        return memory
