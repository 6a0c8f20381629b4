"""The programs that recipes run: found, checked and spelled as an argv."""

import asyncio
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Protocol

from openwa_manager.domain.builds.builds import HOME_BUILD
from openwa_manager.domain.errors import ProgramMissingError
from openwa_manager.domain.values import dataclass
from openwa_manager.engines.builds.browsers import browser_in
from openwa_manager.engines.versions import DeclaredBuild, Version, build_in, how_to_build, parsed, shown
from openwa_manager.host.program_errors import advice_on

NODE_PLACES = (Path("/opt/homebrew/bin"), Path("/usr/local/bin"))
LOOPBACK_SHIM = Path(__file__).with_name("loopback.cjs")
_VERSION_TIMEOUT_S = 10.0
#: How OpenWA's program is called (the ends of its path).
_MAINS = (("dist", "main"), ("dist", "main.js"))


def runs_openwa(arguments: Iterable[str]) -> bool:
    """Tell whether these are the arguments of an OpenWA, also of one that somebody started by hand."""
    paths = [Path(argument) for argument in arguments]
    return any(path.name == LOOPBACK_SHIM.name or path.parts[-2:] in _MAINS for path in paths)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramValues:
    """By what recipes find their programs; `environ` is the daemon's own environment.

    `builds` is where the builds lie that the daemon installed, each in a folder of its name.
    """

    node: str
    openwa_home: Path
    builds: Path
    command_argv: Sequence[str]
    environ: Mapping[str, str] = field(repr=False)

    def of_build(self, name: str) -> "ProgramValues":
        """Return what finds the programs of a build; that of `openwa_home` is where the setting says."""
        return self if name == HOME_BUILD else replace(self, openwa_home=self.builds / name)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundProgram:
    """What would be run now, and the version that it tells (None: none that we understand)."""

    argv: tuple[str, ...]
    version: str | None


async def find_program(program: "Program") -> FoundProgram:
    """Return what would be run now.

    Raises:
        ProgramMissingError: a requirement is missing; the message says what to do.
    """
    argv, version = await program.argv(), (await program.build()).version
    return FoundProgram(argv=argv, version=None if version is None else shown(version))


class Program(Protocol):
    """Something that can be run."""

    async def argv(self) -> tuple[str, ...]:
        """Return how it is run.

        Raises:
            ProgramMissingError: a requirement is missing; the message says what to do.
        """
        ...

    async def build(self) -> DeclaredBuild:
        """Return what it says of itself."""
        ...

    def readable(self) -> tuple[Path, ...]:
        """Return what it reads beside the system's own files: where its code lies."""
        ...

    async def browser(self) -> Path | None:
        """Return the browser that it brings along; None: it has none."""
        ...


@dataclass(frozen=True, slots=True)
class FixedProgram:
    """A program that is always run in the same way and needs no checking."""

    command: tuple[str, ...]
    code: tuple[Path, ...] = ()

    async def argv(self) -> tuple[str, ...]:
        """Return its command."""
        return self.command

    async def build(self) -> DeclaredBuild:
        """Return nothing of use: it is no build of OpenWA."""
        return DeclaredBuild()

    def readable(self) -> tuple[Path, ...]:
        """Return where its code lies."""
        return self.code

    async def browser(self) -> Path | None:
        """Return nothing: it is no build of OpenWA."""
        return None


class NodeProgram:
    """OpenWA's own build, run by a Node.js that is new enough for it and bound to loopback by our shim."""

    def __init__(self, node: str, openwa_home: Path, environ: Mapping[str, str]) -> None:
        self._node = node
        self._home = openwa_home
        self._main = openwa_home / "dist" / "main"
        self._environ = environ
        self._asked: tuple[Path, int] | None = None
        self._version: Version = (0, 0, 0)
        self._interface: str | None = None

    async def argv(self) -> tuple[str, ...]:
        """Return `node --require <shim> <home>/dist/main`; the version of an unchanged node is asked for once.

        Raises:
            ProgramMissingError: node is missing or too old, or OpenWA is not built.
        """
        node = await self.node()
        await asyncio.to_thread(self._require_build)
        return (str(node), "--require", str(LOOPBACK_SHIM), str(self._main))

    async def build(self) -> DeclaredBuild:
        """Return what the build says of itself now: an upgrade may have replaced it since the last launch."""
        return await asyncio.to_thread(build_in, self._home)

    def readable(self) -> tuple[Path, ...]:
        """Return the build and our shim."""
        return (self._home, LOOPBACK_SHIM)

    async def browser(self) -> Path | None:
        """Return the Chromium that the build's packages have fetched into it; None: there is none."""
        return await asyncio.to_thread(browser_in, self._home)

    async def node(self) -> Path:
        """Return the node that runs OpenWA.

        Raises:
            ProgramMissingError: it is missing, or older than the build asks for.
        """
        oldest = (await self.build()).oldest_node
        node = await asyncio.to_thread(self._find, oldest)
        seen = (node, (await asyncio.to_thread(node.stat)).st_mtime_ns)
        if seen != self._asked:
            self._version = await _version_of(node, oldest)
            self._asked, self._interface = seen, None
        if self._version < oldest:
            message = f"{node} is v{shown(self._version)}, this OpenWA needs Node.js {shown(oldest)} or later"
            raise ProgramMissingError(f"{message}: install it or set `node`")
        return node

    async def node_version(self) -> Version:
        """Return the version of the node that runs OpenWA.

        Raises:
            ProgramMissingError: it is missing, or older than the build asks for.
        """
        await self.node()
        return self._version

    async def interface(self) -> str | None:
        """Return the number of the interface for native modules that this node has; None when it does not tell.

        Raises:
            ProgramMissingError: node is missing, cannot be executed, or older than the build asks for.
        """
        node = await self.node()
        if self._interface is None:
            answer = await _output_of(node, "-p", "process.versions.modules")
            self._interface = answer if answer.isascii() and answer.isdecimal() else None
        return self._interface

    def _find(self, oldest: Version) -> Path:
        places = ":".join((self._environ.get("PATH", ""), *map(str, NODE_PLACES)))
        found = shutil.which(self._node, path=places)
        if found is None:
            advice = f"install Node.js {shown(oldest)} or later, or set `node` to its path"
            raise ProgramMissingError(f"{self._node} was not found in {places}: {advice}")
        return Path(found).absolute()  # not resolved: version managers dispatch on the name of a link

    def _require_build(self) -> None:
        if not self._main.with_suffix(".js").is_file():
            advice = f"{how_to_build(self._home)}; or set `openwa_home` to a built OpenWA"
            raise ProgramMissingError(f"{self._main}.js is missing: {advice}")


async def _version_of(node: Path, oldest: Version) -> Version:
    output = await _output_of(node, "--version")
    version = parsed(output)
    if version is None:
        advice = f"set `node` to a Node.js {shown(oldest)} or later"
        raise ProgramMissingError(f"{node} --version said {output!r}: {advice}")
    return version


async def _output_of(node: Path, *words: str) -> str:
    try:
        process = await asyncio.create_subprocess_exec(node, *words, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL)
    except OSError as error:
        advice = advice_on(error.errno, str(node)) or error.strerror
        raise ProgramMissingError(f"{node} cannot be executed: {advice}; or set `node` to another") from error
    try:
        async with asyncio.timeout(_VERSION_TIMEOUT_S):
            output, _ = await process.communicate()
    except TimeoutError as error:
        raise ProgramMissingError(f"{node} {words[0]} did not answer within {_VERSION_TIMEOUT_S:.0f} s") from error
    finally:
        if process.returncode is None:  # it hangs, or nobody wants to know any more
            process.kill()
            await process.wait()
    return output.decode(errors="replace").strip()
