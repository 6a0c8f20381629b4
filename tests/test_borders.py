"""Who may use what: the borders of the design that import-linter cannot see."""

import ast
import sys
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from tests.source import FILES, PACKAGE, ROOT, bases, classes, imports, is_record, name_of, room_of, tree_of

#: What touches the world is built by these only; whoever uses it is given it.
BUILDERS = ("openwa_manager/parts/", "openwa_manager/daemon.py", "openwa_manager/cli/", "openwa_manager/simulator/")
EDGES = frozenset({"store", "engines", "processes", "host", "watcher", "webhooks"})
#: Who builds one nevertheless, and why.
BUILT_ELSEWHERE = {
    "openwa_manager/api/gateway/app.py: NameService": "the gateway's own look-ups, so that nobody else waits for them",
    "openwa_manager/services/starting/registry_rebuild.py: Database": "a damaged file is replaced and opened anew",
}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_no_modules_import_each_other() -> None:
    names = {module_name(path) for path in PACKAGE}
    graph: Mapping[str, set[str]] = {
        module_name(path): {
            module for name in imports(path) for module in (name, name.rpartition(".")[0]) if module in names
        }
        for path in PACKAGE
    }

    try:
        cycle = list(TopologicalSorter(graph).static_order()) and None
    except CycleError as error:
        cycle = error.args[1]

    assert cycle is None


def test_nothing_is_mocked() -> None:
    """Our own command of that name, which stands in for a whole OpenWA, replaces nothing of ours."""
    foreign = {path: [name for name in imports(path) if "openwa_manager.cli.mock" not in name] for path in FILES}
    theirs = {
        path: [name for name in names if not name.startswith("tests.e2e.mock")] for path, names in foreign.items()
    }

    assert [name_of(path) for path, names in theirs.items() if any("mock" in name.split(".") for name in names)] == []


def edge_classes() -> set[str]:
    """Return the classes that touch the world: all public ones of the edges but records, errors and Protocols."""
    return {
        owner.name
        for path in PACKAGE
        if room_of(path) in EDGES
        for owner in classes(path)
        if not owner.name.startswith("_") and not is_record(owner)
        if not any("Error" in base or "Protocol" in base for base in bases(owner))
    }


def test_only_the_composition_root_builds_what_touches_the_world() -> None:
    edges = edge_classes()
    inside = [path for path in PACKAGE if not name_of(path).startswith(BUILDERS) and room_of(path) not in EDGES]

    built = {
        f"{name_of(path)}: {node.func.id}"
        for path in inside
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in edges
    }

    assert built == BUILT_ELSEWHERE.keys()


def test_only_the_store_speaks_sql() -> None:
    speakers = {
        name_of(path)
        for path in PACKAGE
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and node.attr in ("execute", "executemany", "executescript")
    }

    others = {name for name in speakers if not name.startswith("openwa_manager/store/")}

    assert others == {"openwa_manager/engines/proxy.py"}  # OpenWA's own database, which is none of ours


def test_logging_is_configured_in_one_place() -> None:
    configuring = {
        name_of(path)
        for path in PACKAGE
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("structlog.configure", "logging.basicConfig")
    }

    assert configuring == {"openwa_manager/logs.py"}


def test_the_simulator_needs_the_standard_library_only() -> None:
    names = {name.partition(".")[0] for path in PACKAGE if room_of(path) == "simulator" for name in imports(path)}

    assert names - sys.stdlib_module_names == {"openwa_manager"}


def test_no_route_answers_an_expectation_before_the_door() -> None:
    """Aiohttp does so as soon as it has found a route, unless the route says otherwise."""
    adding = ("add_route", "add_get", "add_post", "ResourceRoute")
    calls = [
        (path, node)
        for path in PACKAGE
        if room_of(path) == "api"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in adding
    ]

    hasty = [
        f"{name_of(path)}:{node.lineno}"
        for path, node in calls
        if "expect_handler" not in {each.arg for each in node.keywords}
    ]

    assert calls
    assert hasty == []
