"""Docstrings name only what exists: an error that was renamed must not live on in a promise."""

import ast
import builtins
import re
from collections.abc import Iterator
from pathlib import Path

from tests.source import PACKAGE, name_of, tree_of

_ERROR = re.compile(r"\b[A-Z]\w*Error\b")


def classes_of(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        match node:
            case ast.ClassDef(name=name) | ast.alias(name=name):
                yield name
            case ast.Attribute(attr=name):
                yield name
            case _:
                pass


def docstrings_of(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def test_every_error_a_docstring_names_exists() -> None:
    known = {name for path in PACKAGE for name in classes_of(path)} | set(dir(builtins))
    named = {(name_of(path), name) for path in PACKAGE for text in docstrings_of(path) for name in _ERROR.findall(text)}

    assert named
    assert [each for each in named if each[1] not in known] == []
