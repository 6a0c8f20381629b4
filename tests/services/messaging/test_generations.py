"""A database that was put back is known, and sends nothing; one that was not is never taken for one."""

import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from openwa_manager.domain.messaging.messages import Attempt, Message, MessageId, MessageStatus, Move
from openwa_manager.services.changes import Changes
from openwa_manager.services.messaging.generations import GenerationFinding, Generations
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.store.backup.generation_file import GenerationFile
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.delivery.outbox import read_events
from openwa_manager.store.messaging import messages, moves
from openwa_manager.store.messaging.position import Position, read_position
from tests.fakes.clock import FakeClock
from tests.store.messaging.samples import SESSION, kept, new_message


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """What one life of a daemon has of messages, as far as it is looked at here."""

    database: Database
    generations: Generations
    records: MessageRecords
    finding: GenerationFinding

    async def accept(self, reference: str = "first") -> Message:
        return await self.records.write(partial(kept, new=new_message(reference=reference)))

    async def ask(self, message_id: MessageId) -> None:
        """Do what is done right before the request leaves."""
        await self.records.write(partial(moves.begin_attempt, message_id=message_id, attempt=Attempt(number=0, at=1.0)))

    async def move(self, message_id: MessageId, to: MessageStatus) -> None:
        await self.records.write(partial(moves.move, message_id=message_id, step=Move(to=to, at=2.0)))

    async def status(self, message_id: MessageId) -> MessageStatus | None:
        message = await self.database.read(partial(messages.find_message, message_id=message_id))
        return message.status if message else None

    async def held(self) -> dict[str, str]:
        return await self.database.read(_held)


def _held(connection: Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT session_id, held_code FROM queue WHERE held_code IS NOT NULL").fetchall())


@asynccontextmanager
async def living(home: Path, *, note: bool = True) -> AsyncIterator[Daemon]:
    """Live as the daemon does: look, hold what must be, begin; without `note` it dies before it notes anything."""
    clock = FakeClock()
    async with Database(home / "manager.db") as database:
        generations = Generations(database, clock, GenerationFile(home / "generation"))
        finding = await generations.find()
        if finding.why is not None:
            await generations.hold()
        await generations.begin()
        noted = generations.note if note else (lambda _: None)
        records = MessageRecords(database, clock, Changes(), noted)
        yield Daemon(database=database, generations=generations, records=records, finding=finding)


def copied(home: Path) -> Path:
    """Copy the files of a database that nobody has open."""
    target = home / "by-hand"
    shutil.copytree(home, target, ignore=lambda _, names: [name for name in names if not name.startswith("manager.db")])
    return target


def backed_up(home: Path) -> Path:
    """Copy a database that is in use, as `sqlite3 manager.db .backup` does."""
    target = home / "by-hand"
    target.mkdir()
    with (
        closing(sqlite3.connect(home / "manager.db")) as source,
        closing(sqlite3.connect(target / "manager.db")) as copy,
    ):
        source.backup(copy)
    return target


def put_back(home: Path, copy: Path) -> None:
    for file in home.glob("manager.db*"):
        file.unlink()
    for file in copy.glob("manager.db*"):
        shutil.copy2(file, home / file.name)
        (home / file.name).chmod(0o600)


async def test_a_new_home_is_not_restored_nor_is_it_at_the_next_start(tmp_path: Path) -> None:
    async with living(tmp_path) as first:
        await first.accept()
    async with living(tmp_path) as second:
        await second.accept("second")

        assert (first.finding.why, second.finding.why) == (None, None)
        assert await second.held() == {}
    assert (tmp_path / "generation").stat().st_mode & 0o777 == 0o600


async def test_a_database_of_before_there_were_messages_is_not_restored(tmp_path: Path) -> None:
    async with Database(tmp_path / "manager.db"):
        pass

    async with living(tmp_path) as daemon:
        assert daemon.finding == GenerationFinding(why=None, newest_at=None)


async def _sends(daemon: Daemon, message: Message) -> None:
    await daemon.ask(message.message_id)
    await daemon.move(message.message_id, MessageStatus.SENT)


async def _cancels(daemon: Daemon, message: Message) -> None:
    await daemon.move(message.message_id, MessageStatus.CANCELLED)


async def _accepts(daemon: Daemon, _: Message) -> None:
    await daemon.accept("another")


@pytest.mark.parametrize("then", [_sends, _cancels, _accepts])
@pytest.mark.parametrize("is_hourly", [True, False])
async def test_a_copy_made_while_it_ran_is_known_by_what_happened_since(
    tmp_path: Path, then: Callable[[Daemon, Message], Awaitable[None]], *, is_hourly: bool
) -> None:
    async with living(tmp_path) as daemon:
        waiting, other = await daemon.accept(), await daemon.accept("other")
        if is_hourly:
            copy = tmp_path / "by-hand"
            copy.mkdir()
            await daemon.database.snapshot(copy / "manager.db")
            await daemon.generations.close()
        else:
            copy = backed_up(tmp_path)
        await then(daemon, other)

    put_back(tmp_path, copy)

    async with living(tmp_path) as restored:
        assert restored.finding.why is not None
        assert restored.finding.newest_at is not None
        assert await restored.held() == {SESSION: "restored"}
        told = (await restored.database.read(partial(read_events, limit=1000))).events
        (held,) = [each.event for each in told if each.event.type == "queue.held"]
        assert (held.session_id, held.data["hold"]) == (SESSION, "restored")
        assert await restored.status(waiting.message_id) is MessageStatus.QUEUED


async def test_a_copy_of_ours_is_known_although_nothing_happened_since(tmp_path: Path) -> None:
    async with living(tmp_path) as daemon:
        await daemon.accept()
        copy = tmp_path / "by-hand"
        copy.mkdir()
        await daemon.database.snapshot(copy / "manager.db")
        await daemon.generations.close()

    put_back(tmp_path, copy)

    async with living(tmp_path) as restored:
        assert await restored.held() == {SESSION: "restored"}


async def test_a_copy_of_a_stopped_database_that_is_put_back_before_the_next_start_is_the_same(tmp_path: Path) -> None:
    async with living(tmp_path) as daemon:
        await daemon.accept()

    put_back(tmp_path, copied(tmp_path))

    async with living(tmp_path) as again:
        assert again.finding.why is None
        assert await again.held() == {}


@pytest.mark.parametrize("happens", [True, False])
async def test_a_copy_made_before_a_start_is_known_after_it(tmp_path: Path, *, happens: bool) -> None:
    async with living(tmp_path) as daemon:
        message = await daemon.accept()
    copy = copied(tmp_path)
    async with living(tmp_path) as daemon:
        if happens:
            await _sends(daemon, message)

    put_back(tmp_path, copy)

    async with living(tmp_path) as restored:
        assert await restored.held() == {SESSION: "restored"}


async def test_what_was_asked_for_in_the_copy_is_unknown_and_told(tmp_path: Path) -> None:
    async with living(tmp_path) as daemon:
        asked = [await daemon.accept(str(number)) for number in range(230)]
        for each in asked:
            await daemon.ask(each.message_id)
        copy = backed_up(tmp_path)
        await daemon.move(asked[0].message_id, MessageStatus.SENT)

    put_back(tmp_path, copy)

    async with living(tmp_path) as restored:
        found = await restored.database.read(partial(messages.find_message, message_id=asked[0].message_id))
        assert found is not None
        assert found.error is not None
        assert found.error.code == "database_restored"
        assert {await restored.status(each.message_id) for each in asked} == {MessageStatus.UNKNOWN}
        told = (await restored.database.read(partial(read_events, limit=1000))).events
        assert [each.event.data["status"] for each in told] == ["unknown"] * 230
        assert await restored.held() == {}


async def test_a_kill_before_the_position_was_noted_is_no_restore(tmp_path: Path) -> None:
    async with living(tmp_path) as daemon:
        message = await daemon.accept()
    async with living(tmp_path, note=False) as killed:
        await killed.ask(message.message_id)
        await killed.accept("another")

    async with living(tmp_path) as again:
        assert again.finding.why is None
        assert await again.held() == {}
        assert await again.status(message.message_id) is MessageStatus.SENDING


async def test_a_kill_between_the_two_steps_of_closing_a_generation_is_no_restore(tmp_path: Path) -> None:
    async with living(tmp_path) as daemon:
        await daemon.accept()
        old = (tmp_path / "generation").read_bytes()
        await daemon.generations.close()
        with (tmp_path / "generation").open("r+b") as file:
            file.write(old)

    async with living(tmp_path) as again:
        assert again.finding.why is None


async def test_a_kill_while_a_restored_database_is_held_finds_it_again(tmp_path: Path) -> None:
    async with living(tmp_path) as daemon:
        await daemon.accept()
        copy = backed_up(tmp_path)
        await daemon.accept("second")
    put_back(tmp_path, copy)
    async with Database(tmp_path / "manager.db") as database:
        await Generations(database, FakeClock(), GenerationFile(tmp_path / "generation")).hold()

    async with living(tmp_path) as restored:
        assert restored.finding.why is not None


async def test_what_goes_on_after_a_restore_is_no_restore_and_older_copies_stay_known(tmp_path: Path) -> None:
    async with living(tmp_path) as daemon:
        await daemon.accept()
        copy = backed_up(tmp_path)
        for number in range(5):
            await daemon.accept(str(number))
    put_back(tmp_path, copy)
    async with living(tmp_path) as restored:
        await restored.accept("after")
        position, _ = await restored.database.read(read_position)
    async with living(tmp_path) as again:
        assert again.finding.why is None

    assert position > Position(2, 6)
    put_back(tmp_path, copy)
    async with living(tmp_path) as once_more:
        assert once_more.finding.why is not None


def _lost(file: Path) -> None:
    file.unlink()


def _emptied(file: Path) -> None:
    file.write_bytes(b"")


def _garbled(file: Path) -> None:
    file.write_bytes(b"\xff" * 100_000)


def _a_link(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to(file.with_name("elsewhere"))


def _copied_along(file: Path) -> None:
    """Put the file back from a copy of the whole home: it says what the database says."""
    content = file.read_bytes()
    file.rename(file.with_name("elsewhere"))
    file.write_bytes(content)


@pytest.mark.parametrize("harm", [_lost, _emptied, _garbled, _a_link, _copied_along])
async def test_messages_without_the_file_are_restored_ones(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    async with living(tmp_path) as daemon:
        await daemon.accept()

    harm(tmp_path / "generation")

    async with living(tmp_path) as restored:
        assert restored.finding.why == "run/generation is missing, or is a copy itself"
        assert await restored.held() == {SESSION: "restored"}
    async with living(tmp_path) as again:
        assert again.finding.why is None


async def test_a_file_that_cannot_be_written_is_said_and_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "generation").mkdir()
    async with Database(tmp_path / "manager.db") as database:
        generations = Generations(database, FakeClock(), GenerationFile(tmp_path / "generation"))
        with pytest.raises(Exception, match="generation"):
            await generations.begin()

        generations.note(Position(9, 9))
        await generations.close()


async def test_positions_that_come_late_do_not_set_the_file_back(tmp_path: Path) -> None:
    async with living(tmp_path) as daemon:
        daemon.generations.note(Position(1, 7))
        daemon.generations.note(Position(1, 3))

    assert (tmp_path / "generation").read_bytes().startswith(b"00000000000000000001 00000000000000000007 ")
