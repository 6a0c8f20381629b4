"""Keeps what keys were revoked, beside the database: a copy of that which is put back must not open to them again."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from openwa_manager.host.files import write_file
from openwa_manager.host.own_files import read_private
from openwa_manager.store.reserve import Reserve

#: More are revoked in no year; the oldest are forgotten first, and with them copies that are older still.
_TEXTS_MAX: Final = 10_000


class RevokedTexts:
    """The SHA-256 of the texts that open nothing any more, oldest first, in a file (0600) with one on each line.

    When the disk is full the `reserve` makes way: a key must be revoked then too.
    """

    def __init__(self, path: Path, reserve: Reserve) -> None:
        self._path = path
        self._reserve = reserve
        self._texts: dict[bytes, None] = {}
        self._writing = asyncio.Lock()

    async def load(self) -> frozenset[bytes]:
        """Return those of the file; none when there is no file.

        Raises:
            ConfigError: others may read or have made the file.
            OSError: it cannot be read.
        """
        self._texts = await asyncio.to_thread(_read, self._path)
        return frozenset(self._texts)

    async def add(self, texts: Iterable[bytes]) -> None:
        """Return once these are in the file too.

        Raises OSError when it cannot be written; then they are in it with the next that can.
        """
        self._texts |= dict.fromkeys(texts)
        while len(self._texts) > _TEXTS_MAX:
            del self._texts[next(iter(self._texts))]
        async with self._writing:
            await asyncio.to_thread(_write, self._path, tuple(self._texts), self._reserve)


def _write(path: Path, texts: Iterable[bytes], reserve: Reserve) -> None:
    content = "".join(f"{each.hex()}\n" for each in texts).encode()
    try:
        write_file(path, content)
    except OSError:
        reserve.make_way()
        write_file(path, content)


def _read(path: Path) -> dict[bytes, None]:
    if not path.exists():
        return {}
    found: dict[bytes, None] = {}
    for line in read_private(path).decode("ascii", errors="replace").splitlines():
        try:
            found[bytes.fromhex(line)] = None
        except ValueError:
            continue  # somebody has written there; what else is in it still counts
    return found
