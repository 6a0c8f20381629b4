"""What a build must be so that its engines can be run from here: looked at before it is used, and whenever asked."""

import asyncio
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path

from openwa_manager.domain.builds.builds import BuildCheck, CheckResult
from openwa_manager.domain.errors import ProgramMissingError
from openwa_manager.engines.program import NodeProgram, ProgramValues
from openwa_manager.engines.versions import CAPABILITIES, TESTED, Build, build_in, can, routes_in, shown


def program_in(tree: Path, values: ProgramValues) -> NodeProgram:
    """Return what runs the build in this folder."""
    own = replace(values, openwa_home=tree)
    return NodeProgram(own.node, own.openwa_home, own.environ)


def is_built(tree: Path) -> bool:
    """Tell whether a folder holds a build with its packages, so that nothing need be made; blocks."""
    return (tree / "dist" / "main.js").is_file() and (tree / "node_modules").is_dir()


def version_in(tree: Path) -> str | None:
    """Return the version that a folder's `package.json` tells; None: none that we understand. Blocks."""
    version = build_in(tree).version
    return None if version is None else shown(version)


async def check_build(tree: Path, values: ProgramValues) -> tuple[BuildCheck, ...]:
    """Return what was looked at in the build in this folder, and what was found; nothing of it is run but node."""
    build, routes = await asyncio.to_thread(build_in, tree), await asyncio.to_thread(routes_in, tree)
    has_program = await asyncio.to_thread((tree / "dist" / "main.js").is_file)
    main = (CheckResult.OK, "dist/main.js is there")
    if not has_program:
        main = (CheckResult.FAILED, f"dist/main.js is missing in {tree}: it is not built")
    found: Mapping[str, tuple[CheckResult, str]] = {
        "version": _on_version(build),
        "program": main,
        "node": await _on_node(program_in(tree, values)),
        "api": _on_routes(build, routes),
    }
    return tuple(BuildCheck(name=name, result=result, detail=detail) for name, (result, detail) in found.items())


def _on_version(build: Build) -> tuple[CheckResult, str]:
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
    oldest = (await program.build()).oldest_node
    return CheckResult.OK, f"{node} is new enough: it needs Node.js {shown(oldest)} or later"


def _on_routes(build: Build, routes: AbstractSet[str] | None) -> tuple[CheckResult, str]:
    if routes is None:
        return CheckResult.WARNING, "openapi.json is missing or cannot be read: what it can is told by its version"
    able = [each.value for each in CAPABILITIES if can(each, build.version, routes)]
    return CheckResult.OK, f"{len(routes)} routes; it can: {', '.join(able) or 'nothing beyond the basics'}"
