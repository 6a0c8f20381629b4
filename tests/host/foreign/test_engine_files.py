import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from openwa_manager.domain.errors import FilesStuckError
from openwa_manager.domain.session.session import SessionId
from openwa_manager.host.foreign.engine_files import EngineFiles
from tests.fakes.disk import DeadDisk
from tests.fakes.polling import until

A, B = SessionId("a"), SessionId("b")


@pytest.fixture
def files() -> Iterator[EngineFiles]:
    files = EngineFiles(thread_count=2)
    yield files
    files.close()


@pytest.fixture
def disk() -> Iterator[DeadDisk]:
    disk = DeadDisk()
    yield disk
    disk.revive()


def answer() -> int:
    return 42


def fail() -> None:
    raise OSError(5, "broken")


async def test_what_comes_of_it_is_returned_or_raised(files: EngineFiles) -> None:
    assert await files.run(A, answer) == 42
    with pytest.raises(OSError, match="broken"):
        await files.run(A, fail)


async def test_a_dead_disk_stops_its_session_only(files: EngineFiles, disk: DeadDisk) -> None:
    with pytest.raises(FilesStuckError):
        await files.run(A, disk.read, within_s=0.05)

    assert files.is_stuck(A)
    with pytest.raises(FilesStuckError):
        await files.run(A, answer)
    assert await files.run(B, answer) == 42


async def test_many_dead_disks_leave_threads_for_others(files: EngineFiles, disk: DeadDisk) -> None:
    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(refused(files, SessionId(f"dead{number}"), disk))

    assert await files.run(B, answer) == 42


async def refused(files: EngineFiles, session_id: SessionId, disk: DeadDisk) -> None:
    with pytest.raises(FilesStuckError):
        await files.run(session_id, disk.read, within_s=0.2)


async def test_a_disk_that_comes_back_serves_its_session_again(files: EngineFiles, disk: DeadDisk) -> None:
    with pytest.raises(FilesStuckError):
        await files.run(A, disk.read, within_s=0.05)

    disk.revive()
    await until(lambda: not files.is_stuck(A))

    assert await files.run(A, answer) == 42


async def test_a_sessions_work_is_done_in_the_order_in_which_it_was_asked_for(files: EngineFiles) -> None:
    done: list[int] = []

    async with asyncio.TaskGroup() as tasks:
        for number in range(50):
            tasks.create_task(files.run(A, lambda number=number: done.append(number)))  # type: ignore[misc]

    assert done == list(range(50))


async def test_what_was_opened_for_a_caller_who_left_is_given_back(files: EngineFiles, disk: DeadDisk) -> None:
    given_back: list[str] = []
    with pytest.raises(FilesStuckError):
        await files.run(A, disk.read, within_s=0.05, dispose=given_back.append)

    disk.revive()
    await until(lambda: bool(given_back))

    assert given_back == ["content"]


async def test_work_that_waits_behind_other_work_too_long_is_refused(files: EngineFiles, disk: DeadDisk) -> None:
    async with asyncio.TaskGroup() as tasks:
        slow = tasks.create_task(files.run(A, disk.read))
        await asyncio.sleep(0)

        with pytest.raises(FilesStuckError):
            await files.run(A, answer, within_s=0.05)

        disk.revive()
    assert slow.result() == "content"


async def test_threads_of_work_that_hung_are_not_kept(files: EngineFiles, disk: DeadDisk) -> None:
    before = threading.active_count()
    for number in range(10):
        with pytest.raises(FilesStuckError):
            await files.run(SessionId(f"dead{number}"), disk.read, within_s=0.15)

    disk.revive()

    await until(lambda: threading.active_count() <= before + 2)


async def test_what_is_done_for_each_session_is_done_in_one_go(files: EngineFiles) -> None:
    threads: set[int] = set()

    def look(session_id: SessionId) -> str:
        threads.add(threading.get_ident())
        return session_id.upper()

    found = await files.run_for_each(look, (A, B), queue=SessionId("/all"), within_s=1.0)

    assert found == {A: "A", B: "B"}
    assert len(threads) == 1


async def test_a_session_on_which_that_hangs_is_left_out(files: EngineFiles, disk: DeadDisk) -> None:
    def look(session_id: SessionId) -> str:
        return disk.read() if session_id == A else session_id

    found = await files.run_for_each(look, (A, B), queue=SessionId("/all"), within_s=0.05)

    assert found == {B: B}
    assert files.is_stuck(A)


async def test_whoever_runs_out_of_time_at_that_very_moment_keeps_nobody_from_hearing_of_it(
    files: EngineFiles, disk: DeadDisk
) -> None:
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context["message"]))

    async def wait_for(work: Callable[[], object]) -> None:
        with pytest.raises(FilesStuckError):
            await files.run(A, work, within_s=0.0)

    with capture_logs() as log:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(wait_for(disk.read))
            tasks.create_task(wait_for(answer))

    assert [line["event"] for line in log] == ["session_files_stuck"]
    assert failures == []


async def test_only_a_session_is_named_as_the_one_whose_files_hang(files: EngineFiles, disk: DeadDisk) -> None:
    with capture_logs() as log:
        await files.run_for_each(
            lambda each: disk.read() if each == A else each, (A, B), queue=SessionId("/all"), within_s=0.05
        )
        with pytest.raises(FilesStuckError, match="the files of all sessions do not answer"):
            await files.run(SessionId("/all"), answer)
        disk.revive()
        await until(lambda: not files.is_stuck(A) and not files.is_stuck(SessionId("/all")))

    assert [(line["event"], line.get("session_id"), line.get("queue")) for line in log] == [
        ("shared_files_stuck", None, "/all"),
        ("session_files_stuck", A, None),
        ("session_files_answer_again", A, None),
    ]


async def test_what_comes_too_late_of_what_was_done_for_each_is_given_back(files: EngineFiles, disk: DeadDisk) -> None:
    given_back: list[str] = []

    def look(session_id: SessionId) -> str:
        if session_id == A:
            disk.read()
        return session_id

    every = SessionId("/all")
    found = await files.run_for_each(look, (A, B), queue=every, within_s=0.05, dispose=given_back.append)
    disk.revive()
    await until(lambda: len(given_back) == 3)

    assert found == {B: B}
    assert sorted(given_back) == [A, A, B]  # of both attempts, but for what was returned


async def test_what_is_there_already_is_given_back_when_the_caller_is_cancelled(
    files: EngineFiles, disk: DeadDisk
) -> None:
    given_back: list[str] = []
    done = threading.Event()

    def look(session_id: SessionId) -> str:
        if session_id == A:
            disk.read()
        done.set()
        return session_id

    every = SessionId("/all")
    async with asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(
            files.run_for_each(look, (A, B), queue=every, within_s=30.0, dispose=given_back.append)
        )
        await until(done.is_set)
        await files.run(B, answer)  # which comes after it
        looking.cancel()

    assert given_back == [B]


async def test_what_is_done_at_the_moment_the_caller_is_cancelled_is_given_back() -> None:
    files, loop = EngineFiles(thread_count=1), asyncio.get_running_loop()
    given_back: list[int] = []
    is_cancelled = threading.Event()

    def cancel() -> None:
        loop.call_soon_threadsafe(first.cancel)
        is_cancelled.set()

    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(files.run(A, answer, dispose=given_back.append))
        tasks.create_task(files.run(B, cancel))
        await asyncio.sleep(0)
        is_cancelled.wait(20)  # so that the loop hears of both at once
    files.close()

    assert first.cancelled()
    assert given_back == [42]
