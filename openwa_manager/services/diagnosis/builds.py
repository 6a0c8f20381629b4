"""Whether the builds that sessions would really run will do: the default one, and those that sessions pin."""

import asyncio
import os
import pwd
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from openwa_manager.domain.builds.builds import HOME_BUILD, BuildName
from openwa_manager.domain.diagnosis.findings import HOST, Finding
from openwa_manager.domain.errors import ProgramMissingError
from openwa_manager.domain.printable import printable
from openwa_manager.domain.session.session import Session
from openwa_manager.domain.values import dataclass
from openwa_manager.engines.builds.addons import addons_in, wrong_addons
from openwa_manager.engines.builds.contract import program_in
from openwa_manager.engines.program import ProgramValues
from openwa_manager.engines.versions import TESTED, Capability, build_in, can, how_to_build, routes_in, shown

#: So many of those that pin a build are named; so many builds are looked at.
_NAMED_MAX: Final = 3
_BUILDS_MAX: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedBuild:
    """A build that sessions would run at their next launch; `pinned_by` is empty for the default one."""

    name: BuildName
    folder: Path
    pinned_by: Sequence[str] = ()

    @property
    def told(self) -> str:
        """Return in words who would run it."""
        if not self.pinned_by:
            return f"the default build {self.name}"
        more = len(self.pinned_by) - _NAMED_MAX
        names = ", ".join(self.pinned_by[:_NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
        return f"the build {self.name}, which {names} pin" + ("s" if len(self.pinned_by) == 1 else "")


def used_builds(default: str, pins: Mapping[str, Sequence[str]], values: ProgramValues) -> tuple[UsedBuild, ...]:
    """Return the default build, then those that sessions pin; `pins` are their sessions, by the build."""
    others = sorted(name for name in pins if name != default)
    used = [(default, ()), *((name, tuple(pins[name])) for name in others)]
    return tuple(
        UsedBuild(name=BuildName(name), folder=values.of_build(name).openwa_home, pinned_by=pinned_by)
        for name, pinned_by in used[:_BUILDS_MAX]
    )


def pins_of(sessions: Iterable[Session]) -> Mapping[str, Sequence[str]]:
    """Return which sessions pin a build, by the build."""
    pins: dict[str, list[str]] = {}
    for session in sessions:
        if session.spec.build is not None:
            pins.setdefault(session.spec.build, []).append(session.session_id)
    return pins


async def build_findings(used: Sequence[UsedBuild], values: ProgramValues) -> Sequence[Finding]:
    """Return what is to be said of each of these builds: OpenWA itself, the Node.js for it, its native modules.

    What is wrong with a build that only some pin has codes of its own: the others start without it.
    """
    findings: list[Finding] = []
    for build in used:
        found = [
            await asyncio.to_thread(check_openwa, build.folder, build.name),
            *await _on_node(build, values),
        ]
        findings += [_of(build, each) for each in found]
    return findings


def _of(build: UsedBuild, finding: Finding) -> Finding:
    code = f"{finding.code}_pinned" if build.pinned_by else finding.code
    return Finding(code, finding.level, printable(f"{build.told}: {finding.detail}"), finding.cure, HOST)


async def _on_node(build: UsedBuild, values: ProgramValues) -> Sequence[Finding]:
    program = program_in(build.folder, values)
    try:
        node, version, interface = await program.node(), await program.node_version(), await program.interface()
    except ProgramMissingError as error:
        detail, _, cure = str(error).partition(": ")
        return (Finding("node", "fail", detail, cure or None),)
    needs = shown((await program.build()).oldest_node)
    well = Finding("node", "ok", f"{node} is v{shown(version)}, it needs {needs} or later")
    modules = await asyncio.to_thread(_on_addons, build, interface)
    return (well, *modules)


def _on_addons(build: UsedBuild, interface: str | None) -> Sequence[Finding]:
    built_for = addons_in(build.folder)
    if interface is None or not built_for:
        return ()
    wrong = wrong_addons(built_for, interface)
    if wrong is None:
        return (Finding("node_addon_well", "ok", f"native modules fit this node (interface {interface})"),)
    cure = f"npm rebuild in {build.folder}, with the same node"
    if build.name != HOME_BUILD:
        cure = f"set `node` to the one it was built with, or install it again (--name {build.name}-2) and use that"
    return (Finding("node_addon", "fail", f"native modules were built for another Node.js: {wrong}", cure),)


def check_openwa(tree: Path, name: str = HOME_BUILD) -> Finding:
    """Check that OpenWA is built, and say what its version is known for; blocks."""
    main = tree / "dist" / "main.js"
    if not main.is_file():
        return Finding("openwa", "fail", f"{main} is missing", _cure_of_missing(tree, name))
    version, (first, last) = build_in(tree).version, TESTED
    tested = f"tested with {shown(first)} to {shown(last)}"
    if version is None:
        return Finding("openwa", "warn", f"{main} does not tell its version; {tested}", "see its package.json")
    routes = routes_in(tree)
    lacking = [each.value for each in Capability if not can(each, version, routes)]
    detail = f"{shown(version)}, {tested}" + (f"; it lacks {', '.join(lacking)}" if lacking else "")
    if first <= version <= last:
        return Finding("openwa", "ok", detail)
    return Finding("openwa", "warn", detail, f"it may well work; should it not, {shown(last)} does")


def _cure_of_missing(tree: Path, name: str) -> str:
    if name != HOME_BUILD:
        return "openwa-manager engine rollback, or install the build again"
    making = "" if build_in(tree).version is None else f"{_making(tree)}; or have it done: "
    return f"{making}{how_to_build(tree)}; or set openwa_home to a built OpenWA"


def _making(tree: Path) -> str:
    """Return what builds OpenWA there: as the user whose it is to be, for npm also writes into that user's home."""
    place = next(each for each in (tree, *tree.parents) if each.exists())
    uid = place.stat().st_uid
    if uid in (os.geteuid(), 0):
        return f"npm ci && npm run build in {tree}"
    script = f"cd {shlex.quote(str(tree))} && npm ci && npm run build"
    return f"sudo -u {name_of_user(uid)} -H sh -c {shlex.quote(script)}"


def name_of_user(uid: int) -> str:
    """Return by which name people know a user of this host."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
