"""JSON is parsed in one place, which knows what others would stumble over (`domain/foreign_json.py`)."""

import ast
from collections.abc import Iterator

import pytest

from tests.source import PACKAGE, name_of, room_of, tree_of

#: The simulator is an engine in a process of its own and imports nothing of ours.
ELSEWHERE = [path for path in PACKAGE if room_of(path) != "simulator" and path.name != "foreign_json.py"]
OF_JSON = frozenset({"load", "loads", "JSONDecoder", "decoder", "scanner"})


def parsers(tree: ast.AST) -> Iterator[str]:
    """Return what parses JSON: its own library, pydantic on a text that was not made safe, and aiohttp's answers."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="json"), attr=name) if name in OF_JSON:
                yield f"line {node.lineno}: json.{name}"
            case ast.ImportFrom(module="json", names=names):
                yield from (f"line {node.lineno}: {each.name}" for each in names if each.name in OF_JSON)
            case ast.Call(func=ast.Attribute(attr="json"), args=[]):
                yield f"line {node.lineno}: {ast.unparse(node)}"
            case ast.Call(func=ast.Attribute(attr="validate_json" | "model_validate_json"), args=[text, *_]):
                if not (isinstance(text, ast.Call) and ast.unparse(text.func).endswith("make_safe")):
                    yield f"line {node.lineno}: {ast.unparse(node)}"
            case _:
                pass


def test_no_other_module_parses_json() -> None:
    assert {name_of(path): found for path in ELSEWHERE if (found := [*parsers(tree_of(path))])} == {}


@pytest.mark.parametrize(
    "code",
    [
        "json.loads(text)",
        "read = json.loads",
        "from json import loads",
        "await answer.json()",
        "Model.model_validate_json(text)",
        "SHAPE.validate_json(answer.body)",
    ],
)
def test_what_parses_json_is_found(code: str) -> None:
    tree = ast.parse(f"async def f():\n    {code}")

    assert len([*parsers(tree)]) == 1
