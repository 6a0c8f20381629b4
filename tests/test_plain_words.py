"""The names of our classes, and of Python's errors, are for programmers: nobody else is shown one."""

import ast

import pytest

from openwa_manager.domain.texts import in_words
from tests.source import PACKAGE, ROOT, tree_of

#: Where the name of a class is asked for, and what it is for there.
ASKED = {
    "api/openapi.py": "the names of the schemas, and what they are looked up by",
    "cli/selftest/__main__.py": "a check of the self-test that failed itself: read by whoever mends it",
    "cli/selftest/facts.py": "the name by which an error of the system is known",
    "domain/session/lifecycle.py": "what a step is kept under; words.py says it to people",
    "domain/values.py": "the repr of an object, for programmers",
    "domain/texts.py": "made into words there",
    "services/sessions/supervisor.py": "the debug log",
    "store/sessions/reasons.py": "what facts are kept under; nobody is shown it",
}
_TYPES_OF_FUNCTIONS = ("handle.__name__", "__name__")


def test_the_name_of_a_class_is_asked_for_where_people_do_not_see_it() -> None:
    asked = {
        str(path.relative_to(ROOT / "openwa_manager"))
        for path in PACKAGE
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute)
        and node.attr in ("__name__", "__qualname__")
        and ast.unparse(node) not in _TYPES_OF_FUNCTIONS
    }

    assert asked == ASKED.keys()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (ValueError("no number"), "no number"),
        (ConnectionResetError(), "connection reset"),
        (TimeoutError(), "timeout"),
    ],
)
def test_an_error_is_said_in_words(error: Exception, words: str) -> None:
    assert in_words(error) == words
