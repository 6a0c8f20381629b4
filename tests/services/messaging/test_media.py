"""Files of messages: fetched once, kept while they are needed, and nothing half-written."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from openwa_manager.domain.errors import MediaUnavailableError, QueueFullError, StorageFullError
from openwa_manager.domain.messaging.messages import BatchId, MessageId
from openwa_manager.domain.messaging.outcomes import MediaFile
from openwa_manager.host.media.owned_files import OwnedFiles
from openwa_manager.services.messaging.media import MediaLimits, MediaRequest, MediaStore
from openwa_manager.webhooks.address import AddressGuard
from openwa_manager.webhooks.downloads import Downloader
from tests.fakes.clock import FakeClock
from tests.fakes.file_server import PNG, FileServer, drip, head, serving_files, whole
from tests.fakes.polling import PATIENCE_S, until
from tests.fakes.small_disk import small_disk

MIB = 1024 * 1024
BATCH = BatchId("batch_1")
JPEG = b"\xff\xd8\xff\xe0" + b"j" * 100


@pytest.fixture
async def files() -> AsyncIterator[FileServer]:
    async with serving_files() as server:
        yield server


@pytest.fixture
async def downloader(files: FileServer) -> AsyncIterator[Downloader]:
    async with Downloader(AddressGuard(exempt=(files.url,)), within_s=60) as one:
        yield one


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(tmp_path: Path, downloader: Downloader, clock: FakeClock) -> MediaStore:
    return MediaStore(OwnedFiles(tmp_path), downloader, clock, MediaLimits())


def of_batch(url: str, kind: str = "image", batch_id: BatchId = BATCH) -> MediaRequest:
    return MediaRequest(url=url, kind=kind, batch_id=batch_id)


def of_single(url: str, number: int = 1, kind: str = "image") -> MediaRequest:
    return MediaRequest(url=url, kind=kind, message_id=MessageId(f"msg_{number}"))


def names_below(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file())


def held(body: bytes, released: asyncio.Event) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    """Return an answer whose second half waits."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        text = whole(body)
        writer.write(text[:-4])
        await writer.drain()
        async with asyncio.timeout(PATIENCE_S):
            await released.wait()
        writer.write(text[-4:])
        await writer.drain()

    return answer


async def test_a_file_is_known_by_its_bytes_and_named_by_its_url(files: FileServer, store: MediaStore) -> None:
    files.answers = {"/a%20b.jpg": whole(PNG, "Content-Type: text/html"), "/plain": whole(JPEG)}

    found = await store.fetch(of_single(f"{files.url}/a%20b.jpg?sig=1"))
    plain = await store.fetch(of_single(f"{files.url}/plain"))
    named = await store.fetch(MediaRequest(url=f"{files.url}/plain", kind="image", batch_id=BATCH, filename="x.jpg"))

    assert found == MediaFile(path=found.path, mimetype="image/png", filename="a b.jpg", size_bytes=len(PNG))
    assert found.path.read_bytes() == PNG
    assert (plain.mimetype, plain.filename, named.filename) == ("image/jpeg", None, "x.jpg")


async def test_a_file_of_another_kind_is_not_sent(files: FileServer, store: MediaStore) -> None:
    files.answers = {"/": whole(b"<!DOCTYPE html><html>expired"), "/empty": whole(b"")}

    with pytest.raises(MediaUnavailableError, match="the file is text/html, which cannot be sent as image"):
        await store.fetch(of_batch(f"{files.url}/"))
    with pytest.raises(MediaUnavailableError, match="it is empty"):
        await store.fetch(of_batch(f"{files.url}/empty"))
    assert (await store.fetch(of_batch(f"{files.url}/", "document"))).mimetype == "text/html"


async def test_a_thousand_who_ask_at_once_share_one_download(files: FileServer, store: MediaStore) -> None:
    released = asyncio.Event()
    files.answers = {"/": held(PNG, released)}

    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(store.fetch(of_batch(f"{files.url}/"))) for _ in range(1_000)]
        await until(lambda: len(files.requests) == 1)
        released.set()

    assert len({each.result().path for each in asked}) == 1
    assert len(files.requests) == 1


async def test_each_batch_and_each_single_message_has_its_own(files: FileServer, store: MediaStore) -> None:
    files.answers = {"/": whole(PNG)}
    url = f"{files.url}/"

    for request in (of_batch(url), of_batch(url, batch_id=BatchId("batch_2")), of_single(url, 1), of_single(url, 2)):
        await store.fetch(request)
        await store.fetch(request)

    assert len(files.requests) == 4


async def test_a_failure_is_shared_too(files: FileServer, store: MediaStore) -> None:
    async def problem() -> str:
        with pytest.raises(MediaUnavailableError) as caught:
            await store.fetch(of_batch(f"{files.url}/"))
        return str(caught.value)

    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(problem()) for _ in range(100)]

    assert {each.result() for each in asked} == {"its server answered with status 404"}
    assert len(files.requests) == 1


async def test_a_failure_that_may_pass_answers_its_batch_for_a_minute(
    files: FileServer, store: MediaStore, clock: FakeClock
) -> None:
    files.answers = {"/": whole(b"", status="503 No"), "/gone": whole(b"", status="410 Gone")}

    async def asked_count(path: str) -> int:
        with pytest.raises(MediaUnavailableError):
            await store.fetch(of_batch(files.url + path))
        return files.paths.count(path)

    assert [await asked_count("/"), await asked_count("/"), await asked_count("/gone")] == [1, 1, 1]
    await clock.advance(61)
    assert [await asked_count("/"), await asked_count("/gone")] == [2, 1]
    await store.release(BATCH)
    assert await asked_count("/gone") == 2


async def test_a_single_message_is_asked_for_anew(files: FileServer, store: MediaStore) -> None:
    request = of_single(f"{files.url}/")
    with pytest.raises(MediaUnavailableError):
        await store.prefetch(request)
    files.answers = {"/": whole(PNG)}

    assert (await store.fetch(request)).size_bytes == len(PNG)


async def test_failures_are_remembered_up_to_a_bound(
    files: FileServer, store: MediaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openwa_manager.services.messaging.media._FAILURES_MAX", 2)

    for path in ("/1", "/2", "/3", "/3", "/1"):
        with pytest.raises(MediaUnavailableError):
            await store.fetch(of_batch(files.url + path))

    assert files.paths == ["/1", "/2", "/3", "/1"]


async def test_who_is_cancelled_leaves_nothing_behind(files: FileServer, store: MediaStore, tmp_path: Path) -> None:
    async def half(writer: asyncio.StreamWriter) -> None:
        writer.write(head(f"Content-Length: {2 * MIB}") + b"x" * MIB)
        await drip(writer)

    files.answers = {"/": half}
    async with asyncio.TaskGroup() as tasks:
        fetching = tasks.create_task(store.fetch(of_batch(f"{files.url}/")))
        await until(lambda: names_below(tmp_path) != [])

        fetching.cancel()

    assert fetching.cancelled()
    assert names_below(tmp_path) == []
    assert store.has_room
    assert (store._fetches, store._under_way_count) == ({}, 0)


async def test_the_next_begins_anew_when_the_first_is_cancelled(
    files: FileServer, store: MediaStore, tmp_path: Path
) -> None:
    files.answers = {"/": drip}
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(store.fetch(of_batch(f"{files.url}/")))
        await until(lambda: len(files.requests) == 1)
        second = tasks.create_task(store.fetch(of_batch(f"{files.url}/")))
        files.answers = {"/": whole(PNG)}

        first.cancel()

    assert second.result().path.read_bytes() == PNG
    assert names_below(tmp_path) == [second.result().path.name]


@pytest.mark.parametrize("answer", [head("Content-Length: 999") + PNG, whole(b"x" * (17 * MIB)), whole(b"")])
async def test_a_download_that_fails_leaves_nothing_behind(
    files: FileServer, store: MediaStore, tmp_path: Path, answer: bytes
) -> None:
    files.answers = {"/": answer}

    with pytest.raises(MediaUnavailableError):
        await store.fetch(of_batch(f"{files.url}/"))

    assert names_below(tmp_path) == []


async def test_a_full_disk_is_told_to_all_who_wait(files: FileServer, downloader: Downloader, tmp_path: Path) -> None:
    files.answers = {"/": whole(b"x" * MIB), "/small": whole(PNG)}
    with small_disk(tmp_path / "disk", "256k") as disk:
        store = MediaStore(OwnedFiles(disk), downloader, FakeClock(), MediaLimits())

        async def refused() -> bool:
            with pytest.raises(StorageFullError, match="No space left"):
                await store.fetch(of_batch(f"{files.url}/", "document"))
            return True

        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(refused()) for _ in range(10)]
        assert all(each.result() for each in asked)
        assert names_below(disk) == []
        assert len(files.requests) == 1
        assert (await store.fetch(of_batch(f"{files.url}/small"))).size_bytes == len(PNG)


async def test_only_four_single_messages_are_fetched_ahead_at_once(files: FileServer, store: MediaStore) -> None:
    released = asyncio.Event()
    files.answers = {f"/{number}": held(PNG, released) for number in range(10)} | {"/turn": whole(PNG)}

    async with asyncio.TaskGroup() as tasks:
        ahead = [tasks.create_task(store.prefetch(of_single(f"{files.url}/{each}", each))) for each in range(10)]
        await until(lambda: files.under_way == 4)
        at_turn = await store.fetch(of_single(f"{files.url}/turn", 99))
        accepted = await store.prefetch(of_batch(f"{files.url}/turn"))
        released.set()

    assert at_turn.size_bytes == len(PNG)
    assert accepted is not None
    assert all(each.result() for each in ahead)
    assert files.under_way_max == 5


async def test_a_batch_does_not_wait_for_others_for_ever(
    files: FileServer, downloader: Downloader, tmp_path: Path
) -> None:
    limits, released = MediaLimits(batches_at_once=1, batch_patience_s=0.05), asyncio.Event()
    store = MediaStore(OwnedFiles(tmp_path), downloader, FakeClock(), limits)
    files.answers = {"/slow": held(PNG, released)}

    async with asyncio.TaskGroup() as tasks:
        slow = tasks.create_task(store.prefetch(of_batch(f"{files.url}/slow")))
        await until(lambda: files.under_way == 1)
        other = await store.prefetch(of_batch(f"{files.url}/other", batch_id=BatchId("batch_2")))
        released.set()

    assert other is None
    assert slow.result() is not None


async def test_beyond_what_may_lie_on_the_disk_files_are_fetched_at_their_turn(
    files: FileServer, downloader: Downloader, tmp_path: Path
) -> None:
    limits = MediaLimits(on_disk_bytes=17 * MIB)
    store = MediaStore(OwnedFiles(tmp_path), downloader, FakeClock(), limits)
    files.answers = {"/a": whole(PNG + b"x" * (2 * MIB)), "/b": whole(PNG)}

    first = await store.prefetch(of_single(f"{files.url}/a", 1))
    again = await store.prefetch(of_single(f"{files.url}/a", 1))
    beyond = await store.prefetch(of_single(f"{files.url}/b", 2))
    with pytest.raises(QueueFullError):
        await store.keep([PNG], MediaRequest(kind="image", batch_id=BATCH))
    at_turn = await store.fetch(of_single(f"{files.url}/b", 2))
    await store.release("msg_1")

    assert (first, beyond) == (again, None)
    assert at_turn.size_bytes == len(PNG)
    assert store.has_room


async def test_downloads_under_way_take_room_too(files: FileServer, downloader: Downloader, tmp_path: Path) -> None:
    store = MediaStore(OwnedFiles(tmp_path), downloader, FakeClock(), MediaLimits(on_disk_bytes=20 * MIB))
    released = asyncio.Event()
    files.answers = {"/": held(PNG, released)}

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(store.prefetch(of_single(f"{files.url}/")))
        await until(lambda: files.under_way == 1)
        has_room = store.has_room
        released.set()

    assert not has_room
    assert store.has_room


async def test_files_outlive_the_daemon_and_those_of_nobody_go(
    files: FileServer, downloader: Downloader, tmp_path: Path
) -> None:
    files.answers = {"/": whole(PNG)}
    limits = MediaLimits(on_disk_bytes=16 * MIB + 1)
    before = MediaStore(OwnedFiles(tmp_path), downloader, FakeClock(), limits)
    needed = await before.fetch(of_batch(f"{files.url}/"))
    await before.fetch(of_single(f"{files.url}/"))

    after = MediaStore(OwnedFiles(tmp_path), downloader, FakeClock(), limits)
    await after.sweep([BATCH])

    assert await after.fetch(of_batch(f"{files.url}/")) == needed
    assert len(files.requests) == 2
    assert names_below(tmp_path) == [needed.path.name]
    assert not after.has_room


async def test_what_comes_after_its_owner_has_gone_is_not_kept(
    files: FileServer, store: MediaStore, tmp_path: Path
) -> None:
    released = asyncio.Event()
    files.answers = {"/": held(PNG, released)}

    async def refused() -> None:
        with pytest.raises(MediaUnavailableError, match="no longer needed"):
            await store.fetch(of_single(f"{files.url}/"))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(refused())
        await until(lambda: files.under_way == 1)
        await store.release("msg_1")
        released.set()

    assert names_below(tmp_path) == []


async def test_urls_can_be_checked_without_asking_anybody(store: MediaStore) -> None:
    store.check_url("https://example.org/a.png")
    with pytest.raises(MediaUnavailableError):
        store.check_url("http://169.254.169.254/")


async def test_a_url_that_names_no_file_gives_no_name(files: FileServer, store: MediaStore) -> None:
    for path in ("/uc", "/.hidden", "/a%0Ab.png", f"/{'x' * 300}.png"):
        files.answers[path] = whole(PNG)

        assert (await store.fetch(of_batch(files.url + path))).filename is None


async def test_a_file_of_the_largest_size_takes_little_memory(files: FileServer, store: MediaStore) -> None:
    async def large(writer: asyncio.StreamWriter) -> None:
        writer.write(head(f"Content-Length: {16 * MIB}"))
        piece = b"%PDF-1.7" * 8192
        for _ in range(256):
            writer.write(piece)
            await writer.drain()

    files.answers = {"/": large}
    tracemalloc.start()
    try:
        found = await store.fetch(of_batch(f"{files.url}/", "document"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert found.size_bytes == 16 * MIB
    assert peak < 6 * MIB  # the server is in this process, too
