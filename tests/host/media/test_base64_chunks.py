"""Files as base64, a part at a time."""

import base64
import tracemalloc
from pathlib import Path

import pytest

from openwa_manager.host.media.base64_chunks import base64_chunks, base64_length

MIB = 1024 * 1024


@pytest.mark.parametrize("size_bytes", [0, 1, 2, 3, 196_607, 196_608, 196_609, 500_000])
async def test_the_parts_are_the_whole(tmp_path: Path, size_bytes: int) -> None:
    content = bytes(range(251)) * (size_bytes // 251 + 1)
    content = content[:size_bytes]
    (tmp_path / "file").write_bytes(content)

    text = b"".join([part async for part in base64_chunks(tmp_path / "file", size_bytes)])

    assert text == base64.b64encode(content)
    assert len(text) == base64_length(size_bytes)


async def test_a_large_file_is_never_whole_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 16 * MIB)
    length = 0
    tracemalloc.start()
    try:
        async for part in base64_chunks(tmp_path / "file", 16 * MIB):
            length += len(part)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert length == base64_length(16 * MIB)
    assert peak < 2 * MIB


@pytest.mark.parametrize("size_bytes", [9, 11])
async def test_a_file_of_another_size_is_not_sent(tmp_path: Path, size_bytes: int) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")

    with pytest.raises(OSError, match="is not as long as it was"):
        [part async for part in base64_chunks(tmp_path / "file", size_bytes)]


async def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"0123456789")
    (tmp_path / "link").symlink_to(tmp_path / "secret")

    with pytest.raises(OSError, match="symbolic links"):
        [part async for part in base64_chunks(tmp_path / "link", 10)]
