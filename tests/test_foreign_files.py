"""What engines can write is opened by `host.foreign` only; who else touches files says whose they are.

An engine may have put a link, a pipe or anything else in the place of any file of its own (`host/foreign/opening.py`).
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.source import PACKAGE, name_of, room_of, tree_of

OS = """
    access chmod chown link listdir lstat makedirs mkdir mkfifo open readlink remove rename replace rmdir scandir stat
    symlink truncate unlink utime walk"""
#: Functions that look at, open or change a file, by module.
OF_MODULES = {
    "os": frozenset(OS.split()),
    "shutil": frozenset(["chown", "copy", "copyfile", "copytree", "move", "rmtree"]),
    "sqlite3": frozenset({"connect"}),
}
PATHS = """
    chmod exists glob hardlink_to is_dir is_file iterdir lstat mkdir open read_bytes read_text readlink rename rglob
    rmdir stat symlink_to touch unlink write_bytes write_text"""
#: Methods of a path that do, called or handed on.
OF_PATHS = frozenset(PATHS.split())

#: Rooms and modules that touch files, and whose they are.
WHOSE = {
    "host/foreign/": "engines': the one way to them",
    "simulator/": "its own: it is an engine",
    "cli/": "the caller's, and the daemon's own",
    "store/": "the daemon's own database and its copies",
    "config/": "the admin's settings, and what they name",
    "host/builds/": "builds, of which nothing is trusted and no link is followed",
    "host/capacity.py": "the kernel's",
    "host/files.py": "the daemon's own",
    "host/home.py": "the daemon's own",
    "host/own_files.py": "the daemon's own",
    "host/media/": "the daemon's own, which wait to be sent",
    "host/logs/own_log.py": "the daemon's own",
    "host/network.py": "the kernel's",
    "host/streams.py": "the null device",
    "host/user_paths.py": "the admin's, and browsers' profiles, of which nothing is asked but the name",
    "api/listeners.py": "the daemon's own socket",
    "api/connections/limits.py": "the kernel's",
    "api/docs/": "the package's own",
    "api/pairing/languages.py": "the package's own",
    "api/pairing/page.py": "the package's own",
    "engines/builds/": "builds, and the programs of the system that make them",
    "engines/command.py": "the admin's program",
    "engines/versions.py": "the admin's builds",
    "engines/program.py": "the admin's builds and his Node.js",
    "engines/http/send_bodies.py": "the daemon's own copies of media",
    "engines/proxy.py": "an engine's database, looked at before, with a deadline, and nothing stored in it may run",
    "processes/confinement/": "the kernel's, and what the admin lets engines read",
    "processes/engine_processes.py": "the kernel's",
    "processes/sockets.py": "the directories that the daemon makes for the engines' sockets",
    "processes/tools/": "the null device",
    "processes/locks.py": "the daemon's own locks",
    "processes/profiles.py": "engines', in a directory that `host.foreign` opened",
    "processes/reading/": "the kernel's",
    "services/access/": "the daemon's own",
    "services/diagnosis/host.py": "the kernel's, and the directory of all sessions, which is the admin's",
    "services/diagnosis/builds.py": "builds, of which only is asked whether they are there",
    "services/builds/": "the folder of builds, which is the daemon's own",
    "services/starting/registry_rebuild.py": "the daemon's own database",
    "services/upkeep/store_upkeep.py": "the copies of the daemon's own database",
    "watcher/qr.py": "the directory of all sessions, which is the admin's",
}


def file_calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "open":
            yield f"line {node.lineno}: open"
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            if node.attr in OF_MODULES.get(owner, OF_PATHS) and (owner, node.attr) != ("database", "open"):
                yield f"line {node.lineno}: {owner}.{node.attr}"


def is_listed(path: Path) -> bool:
    return name_of(path).removeprefix("openwa_manager/").startswith(tuple(WHOSE))


def test_no_other_module_touches_files() -> None:
    elsewhere = [path for path in PACKAGE if not is_listed(path)]

    assert {name_of(path): found for path in elsewhere if (found := [*file_calls(tree_of(path))])} == {}


def test_whoever_is_listed_touches_some() -> None:
    touching = {name_of(path).removeprefix("openwa_manager/") for path in PACKAGE if [*file_calls(tree_of(path))]}

    assert [listed for listed in WHOSE if not any(name.startswith(listed) for name in touching)] == []


def test_nothing_an_engine_can_write_is_opened_by_its_whole_path() -> None:
    """`ForeignPath.path` is for people and for the engine itself: one place hands it to something that opens it."""
    opened = {
        name_of(path)
        for path in PACKAGE
        if room_of(path) != "simulator"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute)
        and node.attr == "path"
        and ast.unparse(node.value) in ("database", "log", "place")
    }

    assert opened == {"openwa_manager/engines/proxy.py"}
