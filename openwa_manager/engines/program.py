"""The programs that recipes run: found, checked and spelled as an argv."""

import asyncio
import re
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from openwa_manager.domain.errors import LaunchFailedError

#: OpenWA 0.23.0 needs 22.13, the fake WhatsApp of our tests 22.15 (docs/openwa.md, Starting and ending).
NODE_OLDEST = (22, 15)
NODE_PLACES = (Path("/opt/homebrew/bin"), Path("/usr/local/bin"))
LOOPBACK_SHIM = Path(__file__).with_name("loopback.cjs")
_VERSION = re.compile(r"v(\d+)\.(\d+)")
_VERSION_TIMEOUT_S = 10.0


class Program(Protocol):
    """Something that can be run."""

    async def argv(self) -> tuple[str, ...]:
        """Return how it is run.

        Raises:
            LaunchFailedError: a requirement is missing; the message says what to do.
        """
        ...


@dataclass(frozen=True, slots=True)
class KnownProgram:
    """A program that needs no checking, such as the simulator: our own interpreter and a module of ours."""

    words: tuple[str, ...]

    async def argv(self) -> tuple[str, ...]:
        """Return its words."""
        return self.words


class NodeProgram:
    """OpenWA's own build, run by a Node.js that is new enough and bound to loopback by our shim."""

    def __init__(self, node: str, openwa_home: Path, environ: Mapping[str, str]) -> None:
        self._node = node
        self._main = openwa_home / "dist" / "main"
        self._environ = environ
        self._checked: tuple[Path, int] | None = None

    async def argv(self) -> tuple[str, ...]:
        """Return `node --require <shim> <home>/dist/main`; the version of an unchanged node is asked for once.

        Raises:
            LaunchFailedError: node is missing or too old, or OpenWA is not built.
        """
        node = await self.node()
        await asyncio.to_thread(self._require_build)
        return (str(node), "--require", str(LOOPBACK_SHIM), str(self._main))

    async def node(self) -> Path:
        """Return the node that runs OpenWA.

        Raises:
            LaunchFailedError: it is missing or too old.
        """
        node = await asyncio.to_thread(self._find)
        seen = (node, (await asyncio.to_thread(node.stat)).st_mtime_ns)
        if seen != self._checked:
            await _require_version(node)
            self._checked = seen
        return node

    def _find(self) -> Path:
        places = ":".join((self._environ.get("PATH", ""), *map(str, NODE_PLACES)))
        found = shutil.which(self._node, path=places)
        if found is None:
            message = (
                f"{self._node} was not found in {places}: install Node.js 22.15 or later, or set `node` to its path"
            )
            raise LaunchFailedError(message)
        return Path(found).absolute()  # not resolved: version managers dispatch on the name of a link

    def _require_build(self) -> None:
        if not self._main.with_suffix(".js").is_file():
            home = self._main.parent.parent
            message = f"{self._main}.js is missing: run `npm ci && npm run build` in {home}, or set `openwa_home`"
            raise LaunchFailedError(message)


async def _require_version(node: Path) -> None:
    output = await _output_of(node)
    match = _VERSION.match(output)
    if match is None:
        raise LaunchFailedError(f"{node} --version said {output!r}: set `node` to a Node.js 22.15 or later")
    if (int(match[1]), int(match[2])) < NODE_OLDEST:
        raise LaunchFailedError(f"{node} is {output}, OpenWA needs Node.js 22.15 or later: install it or set `node`")


async def _output_of(node: Path) -> str:
    try:
        process = await asyncio.create_subprocess_exec(node, "--version", stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL)
    except OSError as error:
        raise LaunchFailedError(f"{node} cannot be executed ({error.strerror}): set `node`") from error
    try:
        async with asyncio.timeout(_VERSION_TIMEOUT_S):
            output, _ = await process.communicate()
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise LaunchFailedError(f"{node} --version did not answer within {_VERSION_TIMEOUT_S:.0f} s") from error
    return output.decode(errors="replace").strip()
