"""What the code keeps to: the size budgets (what outgrows them is missing a noun), and what stands in one place."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from openwa_manager.engines.registry import NAMES

ROOT = Path(__file__).parents[1]
FILES = sorted(path for folder in ("openwa_manager", "tests", "examples") for path in (ROOT / folder).rglob("*.py"))

PACKAGE = [path for path in FILES if path.is_relative_to(ROOT / "openwa_manager")]

FILE_MAX_LINES = 400
FUNCTION_MAX_LINES = 40
MAX_ARGUMENTS = 6

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, Function))


def line_count(function: Function) -> int:
    """Count from `def` to the last line; decorators (test cases, mostly) are data, not code."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def argument_count(function: Function) -> int:
    given = function.args
    names = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_keeps_within_its_budget(path: Path) -> None:
    line_total = len(path.read_text("utf-8").splitlines())
    too_long = [
        f"{each.name}: {line_count(each)} lines" for each in functions(path) if line_count(each) > FUNCTION_MAX_LINES
    ]
    too_wide = [
        f"{each.name}: {argument_count(each)} arguments"
        for each in functions(path)
        if argument_count(each) > MAX_ARGUMENTS
    ]

    assert line_total <= FILE_MAX_LINES
    assert too_long == []
    assert too_wide == []


def strings(path: Path) -> Iterator[ast.Constant]:
    """Go through a module's texts, its docstrings and comments aside."""
    tree = ast.parse(path.read_text("utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node


#: Where a recipe's word means something else: a check of the doctor, a user of the host.
NOT_A_RECIPE = {"cli/doctor/daemon_checks.py", "cli/service/installation.py"}


def test_recipes_are_named_in_their_registry_only() -> None:
    named = {
        str(path.relative_to(ROOT / "openwa_manager"))
        for path in PACKAGE
        for node in strings(path)
        if node.value in NAMES
    }

    assert named - NOT_A_RECIPE == {"engines/registry.py"}


def test_no_path_is_pasted_into_a_uri() -> None:
    """`Path.as_uri` quotes what means something in a URI; `store/read_only.py` is the one place that needs one."""
    pasted = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in PACKAGE
        for node in strings(path)
        if str(node.value).startswith("file:")
    ]

    assert pasted == []


def imported(path: Path) -> Iterator[str]:
    """Go through the packages a module imports."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def test_the_simulator_needs_the_standard_library_only() -> None:
    names = {name for path in PACKAGE if "simulator" in path.parts for name in imported(path)}

    assert names - sys.stdlib_module_names == {"openwa_manager"}
