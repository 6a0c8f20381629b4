"""Files that are handed over in place of a URL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from openwa_manager.domain.errors import MediaUnavailableError
from openwa_manager.domain.messaging.messages import BatchId
from openwa_manager.domain.messaging.outcomes import MediaFile
from openwa_manager.host.media.owned_files import OwnedFiles
from openwa_manager.services.messaging.media import MediaLimits, MediaRequest, MediaStore
from openwa_manager.webhooks.address import AddressGuard
from openwa_manager.webhooks.downloads import Downloader
from tests.fakes.clock import FakeClock
from tests.fakes.file_server import PNG

MIB = 1024 * 1024
BATCH = BatchId("batch_1")


@pytest.fixture
def store(tmp_path: Path) -> MediaStore:
    return MediaStore(OwnedFiles(tmp_path), Downloader(AddressGuard()), FakeClock(), MediaLimits())


def names_below(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file())


async def test_a_file_that_is_handed_over_is_kept(store: MediaStore, tmp_path: Path) -> None:
    request = MediaRequest(kind="image", batch_id=BATCH, filename="a.png")

    one = await store.keep(iter([PNG[:5], PNG[5:]]), request)
    other = await store.keep([PNG], request)

    assert one == MediaFile(path=one.path, mimetype="image/png", filename="a.png", size_bytes=len(PNG))
    assert await store.kept(one.path.name, request) == one
    assert one.path != other.path
    assert one.path.read_bytes() == other.path.read_bytes() == PNG
    await store.release(BATCH)
    assert names_below(tmp_path) == []
    with pytest.raises(MediaUnavailableError, match="no longer there"):
        await store.kept(one.path.name, request)


@pytest.mark.parametrize(
    ("pieces", "problem"),
    [([], "it is empty"), ([b"x" * MIB] * 17, "larger than 16 MiB"), ([b"%PDF-1.7"], "application/pdf")],
)
async def test_a_file_that_cannot_be_sent_is_not_kept(
    store: MediaStore, tmp_path: Path, pieces: list[bytes], problem: str
) -> None:
    with pytest.raises(MediaUnavailableError, match=problem):
        await store.keep(pieces, MediaRequest(kind="image", batch_id=BATCH))

    assert names_below(tmp_path) == []
    assert store.has_room


async def test_what_its_sender_breaks_off_is_not_kept(store: MediaStore, tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield PNG
        raise ValueError("no base64")

    with pytest.raises(ValueError, match="no base64"):
        await store.keep(broken(), MediaRequest(kind="image", batch_id=BATCH))

    assert names_below(tmp_path) == []
