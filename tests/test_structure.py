"""What the code keeps to: the size budgets (what outgrows them is missing a noun), and what stands in one place."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from openwa_manager.engines.registry import NAMES
from tests.source import FILES, PACKAGE, ROOT, Function, classes, functions, is_record, name_of, room_of, tree_of

FILE_MAX_LINES = 400
FUNCTION_MAX_LINES = 40
MAX_ARGUMENTS = 6
FOLDER_MAX_MODULES = 12
CLASS_MAX_METHODS = 15
CLASS_MAX_FIELDS = 10

#: Folders that may hold more, and why.
LARGE_FOLDERS = {
    "openwa_manager/domain/messaging": "one message's way: whom it is for, when it may go, what came of it",
    "openwa_manager/domain/session": "one state machine: its states, stimuli, commands and the functions between them",
}
#: Classes that may be larger, and why.
LARGE_CLASSES: dict[str, str] = {}
#: Names that several modules of the package give to a class, and why they may.
SHARED_NAMES = {
    **dict.fromkeys(
        (
            "Attempt",
            "Build",
            "Hold",
            "Message",
            "MessagePage",
            "InstallProgress",
            "Qr",
            "Rollout",
            "RolloutMove",
            "Session",
        ),
        "the same thing: as the daemon has it, and as its command line reads it from an answer",
    ),
    "EventPage": "the same thing: as the store reads it, and as a caller gets it",
    "Restriction": "the same thing: as OpenWA tells it, and as it is kept",
    "BulkRequest": "the same thing: as OpenWA's API takes it, and as ours does",
    "Inspection": "the same thing: of a body for OpenWA, and of one for us",
    "Listing": "a list: as JSON, and as a table in a terminal",
    "Body": "of a request, and of a message",
    "NotConnected": "of a message's attempt, and of a session; the latter's name is in databases",
}


def line_count(function: Function) -> int:
    """Count from `def` to the last line; decorators (test cases, mostly) are data, not code."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def argument_count(function: Function) -> int:
    given = function.args
    names = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def test_a_file_keeps_within_its_budget() -> None:
    line_totals = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in FILES}
    each_function = [(name_of(path), each) for path in FILES for each in functions(path)]

    assert {name: total for name, total in line_totals.items() if total > FILE_MAX_LINES} == {}
    assert [
        f"{name}: {each.name}: {line_count(each)} lines"
        for name, each in each_function
        if line_count(each) > FUNCTION_MAX_LINES
    ] == []
    assert [
        f"{name}: {each.name}: {argument_count(each)} arguments"
        for name, each in each_function
        if argument_count(each) > MAX_ARGUMENTS
    ] == []


def strings(path: Path) -> Iterator[ast.Constant]:
    """Go through a module's texts, its docstrings and comments aside."""
    tree = tree_of(path)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node


#: Where a recipe's word means something else: a check of the doctor, a page, a user of the host.
NOT_A_RECIPE = {
    "api/docs/contents.py",
    "cli/doctor/checks.py",
    "cli/doctor/daemon_checks.py",
    "cli/doctor/doctor.py",
    "cli/service/installation.py",
    "services/diagnosis/builds.py",
}


def test_recipes_are_named_in_their_registry_only() -> None:
    named = {
        str(path.relative_to(ROOT / "openwa_manager"))
        for path in PACKAGE
        for node in strings(path)
        if node.value in NAMES
    }

    assert named - NOT_A_RECIPE == {"engines/registry.py"}


def test_no_path_is_pasted_into_a_uri() -> None:
    """`Path.as_uri` quotes what means something in a URI; `store/backup/read_only.py` alone needs one."""
    pasted = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in PACKAGE
        for node in strings(path)
        if str(node.value).startswith("file:")
    ]

    assert pasted == []


def method_count(owner: ast.ClassDef) -> int:
    return len([each for each in owner.body if isinstance(each, Function) and not each.name.startswith("_")])


def fields(owner: ast.ClassDef) -> set[str]:
    """Return what its methods assign on `self`, and the fields of a dataclass."""
    declared = {ast.unparse(each.target) for each in owner.body if isinstance(each, ast.AnnAssign)}
    stores = (node for method in owner.body if isinstance(method, Function) for node in ast.walk(method))
    return declared | {
        node.attr
        for node in stores
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"
    }


def has_too_many_fields(owner: ast.ClassDef) -> bool:
    return len(fields(owner)) > CLASS_MAX_FIELDS and not is_record(owner)


def test_a_folder_keeps_within_its_budget() -> None:
    counts = Counter(name_of(path.parent) for path in PACKAGE if path.name != "__init__.py")

    too_full = {folder for folder, count in counts.items() if count > FOLDER_MAX_MODULES}

    assert too_full == LARGE_FOLDERS.keys()


def test_a_class_keeps_within_its_budget() -> None:
    counted = [(name_of(path), owner) for path in PACKAGE for owner in classes(path) if owner.name not in LARGE_CLASSES]

    assert [f"{name}: {owner.name}" for name, owner in counted if method_count(owner) > CLASS_MAX_METHODS] == []
    assert [f"{name}: {owner.name}" for name, owner in counted if has_too_many_fields(owner)] == []


def test_a_class_that_may_be_large_is() -> None:
    large = {
        owner.name
        for path in PACKAGE
        for owner in classes(path)
        if method_count(owner) > CLASS_MAX_METHODS or has_too_many_fields(owner)
    }
    assert LARGE_CLASSES.keys() <= large


def test_a_name_means_one_class() -> None:
    """The simulator is a program of its own and imports nothing of ours; names with a `_` are for one module."""
    named = Counter(
        owner.name
        for path in PACKAGE
        if room_of(path) != "simulator"
        for owner in tree_of(path).body
        if isinstance(owner, ast.ClassDef) and not owner.name.startswith("_")
    )

    assert {name for name, count in named.items() if count > 1} == SHARED_NAMES.keys()
