"""The source of the project, as files and as syntax trees."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = sorted(path for folder in ("openwa_manager", "tests", "examples") for path in (ROOT / folder).rglob("*.py"))
PACKAGE = [path for path in FILES if path.is_relative_to(ROOT / "openwa_manager")]

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def name_of(path: Path) -> str:
    """Return the path below the project's root."""
    return str(path.relative_to(ROOT))


def room_of(path: Path) -> str:
    """Return the first folder below the package, or the module's own file name."""
    return path.relative_to(ROOT / "openwa_manager").parts[0]


def functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(tree_of(path)) if isinstance(node, Function))


def classes(path: Path) -> Iterator[ast.ClassDef]:
    return (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.ClassDef))


def bases(owner: ast.ClassDef) -> set[str]:
    return {ast.unparse(base) for base in owner.bases}


#: A class with one of these bases, or a frozen dataclass, is a record: data, and no object with a life of its own.
RECORD_BASES = frozenset({"BaseModel", "NamedTuple", "TypedDict", "Out", "In"})


def is_record(owner: ast.ClassDef) -> bool:
    return not bases(owner).isdisjoint(RECORD_BASES) or any(
        ast.unparse(each).startswith("dataclass(frozen=True") for each in owner.decorator_list
    )


def imports(path: Path) -> Iterator[str]:
    """Return every name a module imports, wherever it does so: `a.b.c` for `from a.b import c`."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{each.name}" for each in node.names)
