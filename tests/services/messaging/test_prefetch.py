import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from openwa_manager.domain.messaging.messages import Body, Kind, Message, MessageStatus, Move
from openwa_manager.host.media.owned_files import OwnedFiles
from openwa_manager.services.changes import Changes
from openwa_manager.services.messaging.media import MediaLimits, MediaRequest, MediaStore
from openwa_manager.services.messaging.prefetch import Prefetch
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.store.database import Database
from openwa_manager.store.messaging.moves import move
from openwa_manager.webhooks.address import AddressGuard
from openwa_manager.webhooks.downloads import Downloader
from tests.fakes.clock import FakeClock
from tests.fakes.file_server import FileServer, serving_files, whole
from tests.store.messaging.samples import kept, new_message

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


@pytest.fixture
async def files() -> AsyncIterator[FileServer]:
    async with serving_files() as server:
        yield server


async def kept_image(database: Database, url: str) -> Message:
    new = replace(new_message(), body=Body(kind=Kind.IMAGE, url=url))
    return await database.write(lambda connection: kept(connection, new))


def owners_in(place: Path) -> set[str]:
    return {each.name for each in place.iterdir()} if place.exists() else set()


async def test_the_file_of_a_message_is_there_before_its_turn(files: FileServer, tmp_path: Path) -> None:
    files.answers = {"/a": whole(PNG)}
    place, clock = tmp_path / "media", FakeClock()
    place.mkdir()
    async with (
        Database(tmp_path / "manager.db") as database,
        Downloader(AddressGuard(exempt=(files.url,))) as downloader,
    ):
        records = MessageRecords(database, clock, Changes(), lambda _: None)
        prefetch = Prefetch(MediaStore(OwnedFiles(place), downloader, clock, MediaLimits()), records, clock)
        image = await kept_image(database, f"{files.url}/a")
        missing = await kept_image(database, f"{files.url}/missing")
        text = await database.write(kept)

        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(prefetch.run())
            for message in (text, missing, image):
                prefetch.note(message)
            async with asyncio.timeout(5):
                while image.message_id not in owners_in(place):
                    await database.read(lambda _: None)
            running.cancel()

        assert owners_in(place) == {image.message_id}


async def test_files_that_nothing_needs_any_more_are_removed_at_the_start(files: FileServer, tmp_path: Path) -> None:
    place, clock = tmp_path / "media", FakeClock()
    async with (
        Database(tmp_path / "manager.db") as database,
        Downloader(AddressGuard(exempt=(files.url,))) as downloader,
    ):
        image = await kept_image(database, f"{files.url}/a")
        for owner in (image.message_id, "msg_gone"):
            (place / owner).mkdir(parents=True)
            (place / owner / "f").write_bytes(PNG)
        records = MessageRecords(database, clock, Changes(), lambda _: None)

        await Prefetch(MediaStore(OwnedFiles(place), downloader, clock, MediaLimits()), records, clock).sweep()

        assert owners_in(place) == {image.message_id}


async def test_files_of_messages_that_have_ended_are_removed(files: FileServer, tmp_path: Path) -> None:
    files.answers = {"/a": whole(PNG)}
    place, clock = tmp_path / "media", FakeClock()
    place.mkdir()
    async with (
        Database(tmp_path / "manager.db") as database,
        Downloader(AddressGuard(exempt=(files.url,))) as downloader,
    ):
        records = MessageRecords(database, clock, Changes(), lambda _: None)
        media = MediaStore(OwnedFiles(place), downloader, clock, MediaLimits())
        prefetch = Prefetch(media, records, clock)
        over, waiting = [await kept_image(database, f"{files.url}/a") for _ in range(2)]
        for message in (over, waiting):
            await media.prefetch(MediaRequest(kind=Kind.IMAGE, url=f"{files.url}/a", message_id=message.message_id))
        expired = Move(to=MessageStatus.EXPIRED, at=2000.0)
        await database.write(lambda connection: move(connection, over.message_id, expired))

        await prefetch.release_ended()

        assert owners_in(place) == {waiting.message_id}
        assert media.owners() == [waiting.message_id]
