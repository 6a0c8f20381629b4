"""What other systems than Linux run of the tests, too: nothing there reads /proc without asking where it is."""

import ast
import re

from tests.source import ROOT, name_of, tree_of

#: The rooms that the check on macOS runs (.github/workflows/ci.yml).
ROOMS = ("processes", "watcher", "host")
MODULES = sorted(path for room in ROOMS for path in (ROOT / "tests" / room).rglob("test_*.py"))
GUARDS = ("linux_only", "sys.platform", "abi()")


def reads_proc(tree: ast.AST) -> bool:
    """Tell whether a path below /proc is written there, docstrings aside."""
    docs = {id(each.body[0].value) for each in ast.walk(tree) if has_docstring(each)}  # type: ignore[attr-defined]
    return any(
        isinstance(each, ast.Constant)
        and id(each) not in docs
        and isinstance(each.value, str | bytes)
        and "/proc/" in str(each.value)
        for each in ast.walk(tree)
    )


def has_docstring(node: ast.AST) -> bool:
    is_documented = isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    return is_documented and ast.get_docstring(node) is not None  # type: ignore[arg-type]


def is_guarded(node: ast.AST) -> bool:
    """Tell whether a test, or with `pytestmark` or a skip before its imports a whole module, asks for the system."""
    return any(guard in ast.unparse(node) for guard in GUARDS)


def guards_of(tree: ast.Module) -> list[ast.stmt]:
    """Return what says for the whole module on which system it runs."""
    return [each for each in tree.body if ast.unparse(each).startswith("pytestmark =") or is_skip(each)]


def is_skip(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and "pytest.skip" in ast.unparse(statement)


def unguarded(tree: ast.Module) -> list[str]:
    """Return the tests that read /proc, themselves or by what they use of their module, and are not guarded."""
    if any(map(is_guarded, guards_of(tree))):
        return []
    named = {name: each for each in tree.body for name in names_of(each)}
    readers = {name for name, each in named.items() if reads_proc(each)}
    while more := {name for name, each in named.items() if name not in readers and uses(each, readers)}:
        readers |= more
    tests = [each for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [
        each.name
        for each in tests
        if each.name.startswith("test_") and each.name in readers and not any(map(is_guarded, each.decorator_list))
    ]


def names_of(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Assign):
        return [each.id for each in statement.targets if isinstance(each, ast.Name)]
    return []


def uses(node: ast.AST, names: set[str]) -> bool:
    return any(isinstance(each, ast.Name) and each.id in names for each in ast.walk(node))


def test_no_test_reads_proc_without_asking() -> None:
    assert {name_of(path): found for path in MODULES if (found := unguarded(tree_of(path)))} == {}


def test_these_are_the_rooms_that_are_run_there() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")

    assert tuple(re.findall(r"pytest tests/(\w+) --basetemp", workflow)) == ROOMS


def test_the_guard_finds_a_test_that_reads_it_by_a_constant() -> None:
    source = "WHERE = '/proc/self/fd'\ndef places(): return WHERE\ndef test_a(): assert places()\n"

    assert unguarded(ast.parse(source)) == ["test_a"]
    assert unguarded(ast.parse(source.replace("def test_a", "@linux_only('x')\ndef test_a"))) == []
