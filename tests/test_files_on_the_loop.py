"""No file is looked at in the event loop but a few of our own and of the kernel, each with its reason.

A disk that does not answer, or a pipe, holds up whoever touches it; in the loop that is every session. So each function
that does so is found, and so is each that calls one, up to those that run in the loop.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.source import PACKAGE, ROOT, Function, bases, name_of, room_of, tree_of
from tests.test_foreign_files import OF_MODULES, OF_PATHS

#: Who touches files in the loop nevertheless: function, what it calls, and why that does not hold it up.
IN_THE_LOOP = {
    ("openwa_manager/api/listeners.py", "listen", "listen_addresses.socket.unlink"): "the start; our own socket",
    ("openwa_manager/api/pairing/pages.py", "PairingPageRoutes.press", "_refusal"): "the package's own, read once",
    ("openwa_manager/api/pairing/pages.py", "PairingPageRoutes.press", "live_page"): "the package's own, read once",
    ("openwa_manager/api/pairing/pages.py", "PairingPageRoutes.show", "_refusal"): "the package's own, read once",
    ("openwa_manager/api/pairing/pages.py", "PairingPageRoutes.show", "page"): "the package's own, read once",
    ("openwa_manager/daemon.py", "_serve", "home.prepare"): "the start; nobody is served yet",
    ("openwa_manager/daemon.py", "_serve", "_say_isolation"): "the start",
    ("openwa_manager/daemon.py", "_serve", "build_parts"): "the start",
    ("openwa_manager/daemon.py", "_work", "free_descriptor_count"): "the start; the kernel's",
    ("openwa_manager/processes/launcher.py", "HostLauncher.launch", "self._start"): "our lock, the socket's directory",
    ("openwa_manager/processes/launcher.py", "HostLauncher.launch", "self._target_of_last"): "our lock",
    ("openwa_manager/processes/launcher.py", "HostLauncher._raise_for_holder", "self._locks.places_of"): "our locks",
    ("openwa_manager/processes/launcher.py", "HostLauncher.find_own", "find_about"): "reads a link's name only",
    ("openwa_manager/processes/tools/runner.py", "ToolRunner.run", "self._start"): "the null device",
    ("openwa_manager/processes/tree.py", "TreeTerminator._find", "table.in_directory"): "reads a link's name only",
    ("openwa_manager/processes/tree.py", "TreeTerminator._find", "self._holders"): "our lock",
}
#: Methods of libraries that are called as one of ours is, with arguments: of answers, resolvers, routes.
OF_LIBRARIES = frozenset({"prepare", "resolve"})
#: Modules that open the kernel's own files only, which answer at once.
OF_THE_KERNEL = ("host/network.py", "processes/engine_processes.py", "processes/reading/")
#: What else a file is touched with.
FURTHER = frozenset({"which", "disk_usage", "statvfs", "is_symlink", "samefile", "resolve"})
OF_OS_PATH = frozenset(
    {"exists", "lexists", "isfile", "isdir", "islink", "realpath", "samefile", "getsize", "getmtime"}
)


class Place(NamedTuple):
    """A function of the package: its module, and its name with those of what it stands in."""

    module: str
    name: str


MODULES = [path for path in PACKAGE if room_of(path) not in ("simulator", "cli")]


def in_module(path: Path) -> Iterator[tuple[Place, Function]]:
    def inside(node: ast.AST, outer: str) -> Iterator[tuple[Place, Function]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef) and "Protocol" in bases(child):
                continue
            if isinstance(child, Function | ast.ClassDef):
                name = f"{outer}{child.name}"
                if isinstance(child, Function):
                    yield Place(name_of(path), name), child
                yield from inside(child, f"{name}.")
            else:
                yield from inside(child, outer)

    return inside(tree_of(path), "")


FUNCTIONS = {place: function for path in MODULES for place, function in in_module(path)}


@cache
def named(name: str) -> tuple[Place, ...]:
    """Return all methods of this name."""
    return tuple(place for place in FUNCTIONS if place.name.endswith(f".{name}"))


@cache
def imported(module: str) -> dict[str, Place]:
    """Return what a module has imported from others of ours, by the name it has there."""
    return {
        each.asname or each.name: Place(f"{node.module.replace('.', '/')}.py", each.name)
        for node in ast.walk(tree_of(ROOT / module))
        if isinstance(node, ast.ImportFrom) and node.module
        for each in node.names
    }


def calls(function: Function) -> Iterator[ast.Call]:
    """Go through the calls that a function makes itself, not those of functions that it hands on."""
    waiting: list[ast.AST] = [*function.body]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Lambda | Function):
            continue
        if isinstance(node, ast.Call):
            yield node
        waiting += ast.iter_child_nodes(node)


def is_of_the_kernel(place: Place) -> bool:
    """Tell whether a function reads what the system tells of processes; `find_…` look at directories, too."""
    module = place.module.removeprefix("openwa_manager/")
    return module.startswith(OF_THE_KERNEL) and not place.name.endswith(LOOKING)


#: Of those, the functions that are given a session's directory.
LOOKING = ("roots_of", "in_directory", "find_about", "find_strangers", "find_engines")


def touches(called: ast.expr) -> bool:
    """Tell whether a call of this looks at a file by itself."""
    if isinstance(called, ast.Name):
        return called.id == "open"
    if not isinstance(called, ast.Attribute):
        return False
    owner = ast.unparse(called.value)
    if owner == "os.path":
        return called.attr in OF_OS_PATH
    return called.attr in OF_MODULES.get(owner, OF_PATHS) | FURTHER and owner not in ("database", "self")


def meant(place: Place, called: ast.expr) -> tuple[Place, ...]:
    """Return the functions of ours that a call may mean; of a method of something else, all of that name."""
    if isinstance(called, ast.Name):
        own = Place(place.module, called.id)
        return (own if own in FUNCTIONS else imported(place.module).get(called.id, own),)
    if not isinstance(called, ast.Attribute):
        return ()
    if isinstance(called.value, ast.Name):
        if called.value.id in ("self", "cls"):
            return (Place(place.module, f"{place.name.partition('.')[0]}.{called.attr}"),)
        if (module := imported(place.module).get(called.value.id)) is not None:
            folder, name = module.module.removesuffix(".py"), module.name
            of_module, of_class = (
                Place(f"{folder}/{name}.py", called.attr),
                Place(module.module, f"{name}.{called.attr}"),
            )
            return (of_module if of_module in FUNCTIONS else of_class,)
    return named(called.attr)


def is_blocking(place: Place, called: ast.expr, blocking: set[Place]) -> bool:
    """Tell whether a call looks at a file, by itself or by all that it may mean."""
    if touches(called):
        return True
    candidates = meant(place, called)
    return bool(candidates) and all(each in blocking for each in candidates)


def blocking_functions() -> set[Place]:
    found: set[Place] = set()
    plain = {
        place: [*calls(each)]
        for place, each in FUNCTIONS.items()
        if isinstance(each, ast.FunctionDef) and not is_of_the_kernel(place)
    }
    while True:
        further = {
            place
            for place, made in plain.items()
            if place not in found and any(is_blocking(place, call.func, found) for call in made)
        }
        if not further:
            return found
        found |= further


def in_the_loop() -> set[tuple[str, str, str]]:
    blocking = blocking_functions()
    return {
        (place.module, place.name, ast.unparse(call.func))
        for place, function in FUNCTIONS.items()
        if isinstance(function, ast.AsyncFunctionDef)
        for call in calls(function)
        if not (isinstance(call.func, ast.Attribute) and call.func.attr in OF_LIBRARIES and call.args)
        if is_blocking(place, call.func, blocking)
    }


def test_no_file_is_touched_in_the_loop_without_a_reason() -> None:
    assert in_the_loop() - IN_THE_LOOP.keys() == set()


def test_what_engines_can_write_is_known_to_hold_up_whoever_touches_it() -> None:
    """The search finds all ways: a function of `host.foreign` that it passed over could be called in the loop."""
    blocking = blocking_functions()
    foreign = {
        place
        for place, function in FUNCTIONS.items()
        if place.module.startswith("openwa_manager/host/foreign/") and "engine_files" not in place.module
        if isinstance(function, ast.FunctionDef) and not place.name.startswith("_")
    }

    assert {place.name for place in foreign - blocking} == set()
