"""What a build must be so that its engines can be run from here: looked at before it is used, and whenever asked."""

import asyncio
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from openwa_manager.domain.builds.builds import BuildCheck, CheckResult
from openwa_manager.domain.errors import ProgramMissingError
from openwa_manager.engines.builds.addons import addons_in, wrong_addons
from openwa_manager.engines.program import NodeProgram, ProgramValues
from openwa_manager.engines.versions import (
    CAPABILITIES,
    TESTED,
    DeclaredBuild,
    build_in,
    can,
    how_to_build,
    parsed,
    routes_in,
    shown,
)


def program_in(tree: Path, values: ProgramValues) -> NodeProgram:
    """Return what runs the build in this folder."""
    own = replace(values, openwa_home=tree)
    return NodeProgram(own.node, own.openwa_home, own.environ)


def is_built(tree: Path) -> bool:
    """Tell whether a folder holds a build with its packages, so that nothing need be made; blocks."""
    return _has_program(tree) and _has_packages(tree)


def version_in(tree: Path) -> str | None:
    """Return the version that a folder's `package.json` tells; None: none that we understand. Blocks."""
    version = build_in(tree).version
    return None if version is None else shown(version)


async def check_build(tree: Path, values: ProgramValues) -> tuple[BuildCheck, ...]:
    """Return what was looked at in the build in this folder, and what was found; nothing of it is run but node."""
    build, routes = await asyncio.to_thread(build_in, tree), await asyncio.to_thread(routes_in, tree)
    program = program_in(tree, values)
    found: Mapping[str, tuple[CheckResult, str]] = {
        "version": _on_version(build),
        "program": await asyncio.to_thread(_on_program, tree),
        "packages": await asyncio.to_thread(_on_packages, tree),
        "node": await _on_node(program),
        "modules": await _on_modules(tree, program),
        "api": _on_routes(build, routes),
    }
    return tuple(BuildCheck(name=name, result=result, detail=detail) for name, (result, detail) in found.items())


def check_version(version: str) -> tuple[BuildCheck, ...]:
    """Return what can be said of a released version that is not here, by its number alone."""
    result, detail = _on_version(DeclaredBuild(version=parsed(version)))
    return (BuildCheck(name="version", result=result, detail=detail),)


def missing_in(tree: Path) -> str | None:
    """Return why engines cannot run the build in this folder, with what to do; None: it is built. Blocks."""
    if version_in(tree) is None:
        cure = f"{how_to_build(tree)}; or set `openwa_home` to a built OpenWA"
        return f"{tree} has no package.json with a version of OpenWA: {cure}"
    result, detail = _on_program(tree)
    return None if result is CheckResult.OK else detail


def _on_program(tree: Path) -> tuple[CheckResult, str]:
    if _has_program(tree):
        return CheckResult.OK, "dist/main.js is there"
    return CheckResult.FAILED, f"dist/main.js is missing in {tree}: it is not built; {how_to_build(tree)}"


def _has_program(tree: Path) -> bool:
    with suppress(OSError):  # a folder that may not be looked into
        return (tree / "dist" / "main.js").is_file()
    return False


def _has_packages(tree: Path) -> bool:
    with suppress(OSError):
        return (tree / "node_modules").is_dir()
    return False


def _on_packages(tree: Path) -> tuple[CheckResult, str]:
    """Tell whether the packages are there; node also finds those of a folder further up, so no build fails by this."""
    if _has_packages(tree):
        return CheckResult.OK, "node_modules is there"
    return CheckResult.WARNING, f"node_modules is missing in {tree}: run `npm ci` there"


async def _on_modules(tree: Path, program: NodeProgram) -> tuple[CheckResult, str]:
    built_for = await asyncio.to_thread(addons_in, tree)
    try:
        interface = await program.interface()
    except ProgramMissingError:
        return CheckResult.WARNING, "not compared with any Node.js: there is none that would do"
    if interface is None or not built_for:
        return CheckResult.OK, "no native module that tells for which Node.js it was built"
    if (wrong := wrong_addons(built_for, interface)) is None:
        return CheckResult.OK, f"native modules fit this node (interface {interface}): {', '.join(sorted(built_for))}"
    cure = f"run `npm rebuild` in {tree} with the same node, or install the build again"
    return CheckResult.FAILED, f"native modules were built for another Node.js: {wrong}; {cure}"


def _on_version(build: DeclaredBuild) -> tuple[CheckResult, str]:
    oldest, newest = TESTED
    if build.version is None:
        return CheckResult.FAILED, "package.json tells no version: is this OpenWA?"
    tested = f"this manager was tested with {shown(oldest)} to {shown(newest)}"
    if build.version < oldest:
        return CheckResult.FAILED, f"OpenWA {shown(build.version)} is too old: {tested}"
    if build.version > newest:
        return CheckResult.WARNING, f"OpenWA {shown(build.version)} is newer than what was tested: {tested}"
    return CheckResult.OK, f"OpenWA {shown(build.version)}"


async def _on_node(program: NodeProgram) -> tuple[CheckResult, str]:
    try:
        node = await program.node()
    except ProgramMissingError as error:
        return CheckResult.FAILED, str(error)
    oldest, version = (await program.build()).oldest_node, await program.node_version()
    return CheckResult.OK, f"{node} is v{shown(version)}: it needs Node.js {shown(oldest)} or later"


def _on_routes(build: DeclaredBuild, routes: AbstractSet[str] | None) -> tuple[CheckResult, str]:
    if routes is None:
        return CheckResult.WARNING, "openapi.json is missing or cannot be read: what it can is told by its version"
    able = [each.value for each in CAPABILITIES if can(each, build.version, routes)]
    return CheckResult.OK, f"{len(routes)} routes; it can: {', '.join(able) or 'nothing beyond the basics'}"
