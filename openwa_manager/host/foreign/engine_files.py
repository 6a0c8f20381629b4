"""Runs whatever touches engines' files in threads of its own, so that a disk that hangs stops its session only."""

import asyncio
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import Generic, TypeVar

import structlog

from openwa_manager.domain.errors import FilesStuckError
from openwa_manager.domain.session.session import SessionId, is_session_id

T = TypeVar("T")

_log = structlog.get_logger()

#: How long a piece of work may take before another thread takes its place among those that all sessions share.
_SLOW_S = 0.1
#: How long one piece of work may take, unless the caller says less; a disk that spins up takes some seconds.
WITHIN_S = 10.0
#: How long a piece of work for all sessions may take before each has it done by itself.
_TOGETHER_S = 0.5


@dataclass(slots=True, eq=False, kw_only=True)
class _SessionQueue:
    """One session's turn: one piece of work at a time; `is_stuck` once that took too long, until it has ended.

    `waiting` are the deadlines of those whose turn has not come.
    """

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: set[asyncio.Timeout] = field(default_factory=set)
    user_count: int = 0
    is_stuck: bool = False


@dataclass(slots=True, eq=False, kw_only=True)
class _Work(Generic[T]):
    """One piece of work; `results` holds what came of it, `error` why nothing did.

    `is_slow` once its thread was replaced, `is_left` once nobody waits for it any more.
    """

    function: Callable[[], T]
    dispose: Callable[[T], None] | None
    loop: asyncio.AbstractEventLoop
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    results: list[T] = field(default_factory=list)
    error: BaseException | None = None
    is_slow: bool = False
    is_left: bool = False
    _is_done: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def carry_out(self, when_ended: Callable[[], None]) -> bool:
        """Do it, in a thread, and have `when_ended` called in the loop; tell whether this thread was replaced."""
        try:
            self.results.append(self.function())
        except BaseException as error:  # noqa: BLE001 (raised where it is waited for)
            self.error = error
        with self._lock:
            self._is_done = True
        with suppress(RuntimeError):  # the loop is closed
            self.loop.call_soon_threadsafe(when_ended)
        return self.is_slow

    def become_slow(self) -> bool:
        """Tell whether it is still being done; its thread ends with it then."""
        with self._lock:
            self.is_slow = not self._is_done
        return self.is_slow

    def leave(self) -> None:
        """Have what comes of it given back, or what came of it at the very moment nobody waited any more."""
        self.is_left = True
        if self.ended.is_set():
            self.drop()

    def drop(self) -> None:
        """Give back what came of it, which nobody waits for."""
        if self.dispose is not None:
            for result in self.results:
                self.dispose(result)


class EngineFiles:
    """Threads for all work on engines' files; a session has one at a time, and a stuck one at most.

    The system cannot interrupt a call that a dead disk holds up. So what takes longer than its deadline is left alone
    with its thread; until it ends, further work of that session is refused at once. Work that takes longer than a
    moment does not count among the threads that all share. There are never more than those and one for each session.
    """

    def __init__(self, thread_count: int = 8) -> None:
        self._thread_count = thread_count
        self._queues: dict[SessionId, _SessionQueue] = {}
        self._waiting: SimpleQueue[Callable[[], bool] | None] = SimpleQueue()
        self._unfinished_count = 0
        self._shared_count = 0

    def is_stuck(self, session_id: SessionId) -> bool:
        """Tell whether the session's files did not answer in time and still do not."""
        queue = self._queues.get(session_id)
        return queue is not None and queue.is_stuck

    def close(self) -> None:
        """End the threads that wait for work; what is stuck does not keep the program from ending."""
        for _ in range(self._shared_count):
            self._waiting.put(None)
        self._shared_count = 0

    async def run(
        self,
        session_id: SessionId,
        function: Callable[[], T],
        *,
        within_s: float = WITHIN_S,
        dispose: Callable[[T], None] | None = None,
    ) -> T:
        """Return what the function returns, after the session's work that was asked for before.

        Work that was begun is finished, even when its caller is cancelled; `dispose` is then given what came of it.

        Raises:
            FilesStuckError: it takes longer than `within_s`, or something else of this session still does.
        """
        queue = self._queues.setdefault(session_id, _SessionQueue())
        queue.user_count += 1
        try:
            await self._take_turn(session_id, queue, within_s)
            work = _Work(function=function, dispose=dispose, loop=asyncio.get_running_loop())
            self._begin(session_id, queue, work, within_s)
        finally:
            self._leave(session_id, queue)
        try:
            async with asyncio.timeout(within_s):
                await work.ended.wait()
        except TimeoutError:
            work.leave()
            raise _stuck(session_id) from None
        except BaseException:
            work.leave()
            raise
        if work.error is not None:
            raise work.error
        return work.results[0]

    async def run_for_each(
        self,
        work: Callable[[SessionId], T],
        session_ids: Iterable[SessionId],
        *,
        queue: SessionId,
        within_s: float,
        dispose: Callable[[T], None] = lambda _: None,
    ) -> dict[SessionId, T]:
        """Return what the function returns for each of these sessions, done for all in one go; it raises nothing.

        A thread for each would take ten times as long. Where it hangs, each is done in its session's own turn, and
        those on which it hangs are left out. `queue` is no session's: who gives the same one is served in order.
        `dispose` is given each result that comes too late, or whose caller is cancelled.
        """
        wanted = list(session_ids)

        def dispose_all(results: dict[SessionId, T]) -> None:
            for each in results.values():
                dispose(each)

        with suppress(FilesStuckError):
            together = partial(_do_for_each, work, wanted)
            return await self.run(queue, together, within_s=_TOGETHER_S, dispose=dispose_all)
        results: dict[SessionId, T] = {}

        async def run_alone(session_id: SessionId) -> None:
            with suppress(FilesStuckError):
                alone = partial(work, session_id)
                results[session_id] = await self.run(session_id, alone, within_s=within_s, dispose=dispose)

        try:
            async with asyncio.TaskGroup() as tasks:
                for session_id in wanted:
                    tasks.create_task(run_alone(session_id))
        except BaseException:
            dispose_all(results)
            raise
        return results

    async def _take_turn(self, session_id: SessionId, queue: _SessionQueue, within_s: float) -> None:
        if queue.is_stuck:
            raise _stuck(session_id)
        if not queue.waiting and not queue.turn.locked():  # a deadline would take as long as all the rest
            await queue.turn.acquire()
            return
        try:
            async with asyncio.timeout(within_s) as limit:
                queue.waiting.add(limit)
                await queue.turn.acquire()
        except TimeoutError:
            raise _stuck(session_id) from None
        finally:
            queue.waiting.discard(limit)

    def _begin(self, session_id: SessionId, queue: _SessionQueue, work: _Work[T], within_s: float) -> None:
        queue.user_count += 1
        timers = (
            work.loop.call_later(_SLOW_S, self._replace_thread, work),
            work.loop.call_later(within_s, self._note_stuck, session_id, queue),
        )

        def end() -> None:
            for timer in timers:
                timer.cancel()
            self._unfinished_count -= not work.is_slow
            self._end(session_id, queue, work)

        self._unfinished_count += 1
        if self._shared_count < min(self._unfinished_count, self._thread_count):
            self._add_thread()
        self._waiting.put(partial(work.carry_out, end))

    def _end(self, session_id: SessionId, queue: _SessionQueue, work: _Work[T]) -> None:
        if queue.is_stuck:
            queue.is_stuck = False
            if is_session_id(session_id):
                _log.warning("session_files_answer_again", session_id=session_id)
        queue.turn.release()
        self._leave(session_id, queue)
        if work.is_left:
            work.drop()
        work.ended.set()

    def _leave(self, session_id: SessionId, queue: _SessionQueue) -> None:
        queue.user_count -= 1
        if queue.user_count == 0:
            del self._queues[session_id]

    def _note_stuck(self, session_id: SessionId, queue: _SessionQueue) -> None:
        queue.is_stuck = True
        for limit in queue.waiting:
            if not limit.expired():
                limit.reschedule(asyncio.get_running_loop().time())
        if is_session_id(session_id):
            _log.error("session_files_stuck", session_id=session_id)
        else:  # now each session has it done by itself, and the one on which it hangs is named
            _log.warning("shared_files_stuck", queue=session_id)

    def _replace_thread(self, work: _Work[T]) -> None:
        """Have others not wait for this work; its thread ends with it."""
        if work.become_slow():
            self._unfinished_count -= 1
            self._add_thread(is_shared=False)

    def _add_thread(self, *, is_shared: bool = True) -> None:
        self._shared_count += is_shared
        threading.Thread(target=self._work, name="engine-files", daemon=True).start()

    def _work(self) -> None:
        while (carry_out := self._waiting.get()) is not None:
            if carry_out():
                return


def _do_for_each(work: Callable[[SessionId], T], session_ids: Iterable[SessionId]) -> dict[SessionId, T]:
    return {each: work(each) for each in session_ids}


def _stuck(session_id: SessionId) -> FilesStuckError:
    whose = f"session {session_id}" if is_session_id(session_id) else "all sessions"
    return FilesStuckError(f"the files of {whose} do not answer; see the disk they are on")
