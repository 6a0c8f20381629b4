"""Docstrings name only what exists: an error that was renamed must not live on in a promise."""

import ast
import builtins
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "openwa_manager"
FILES = sorted(PACKAGE.rglob("*.py"))
_ERROR = re.compile(r"\b[A-Z]\w*Error\b")


def classes_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.ClassDef(name=name) | ast.alias(name=name):
                yield name
            case ast.Attribute(attr=name):
                yield name
            case _:
                pass


def docstrings_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


KNOWN = {name for path in FILES for name in classes_of(path)} | set(dir(builtins))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_error_a_docstring_names_exists(path: Path) -> None:
    named = {name for text in docstrings_of(path) for name in _ERROR.findall(text)}

    assert named <= KNOWN
