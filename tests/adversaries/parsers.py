"""Finds what reads bytes or words from outside, in the source."""

import ast
from collections.abc import Iterator

from tests.source import PACKAGE, Function, functions, name_of, room_of

#: The simulator is an engine of its own; the command line reads what the person at it writes.
_ELSEWHERE = frozenset({"simulator", "cli"})
_BYTES = frozenset({"bytes", "bytearray", "memoryview"})
_REFUSALS = frozenset({"InvalidInputError", "InvalidRecipientError", "BadRequestError", "UnreadableJsonError"})


def parsers() -> Iterator[str]:
    """Name every public function that takes bytes, is called a parser, or refuses a text: `file:function`."""
    for path in PACKAGE:
        if room_of(path) not in _ELSEWHERE:
            file = name_of(path).removeprefix("openwa_manager/")
            yield from (f"{file}:{each.name}" for each in functions(path) if _is_parser(each))


def _is_parser(function: Function) -> bool:
    given = [each for each in (*function.args.posonlyargs, *function.args.args) if each.arg not in ("self", "cls")]
    if function.name.startswith("_") or not given or given[0].annotation is None:
        return False
    kinds = {kind.strip() for kind in ast.unparse(given[0].annotation).split("|")}
    if kinds & _BYTES or function.name == "parse" or function.name.startswith("parse_"):
        return True
    return "str" in kinds and not _refusals(function).isdisjoint(_REFUSALS)


def _refusals(function: Function) -> set[str]:
    raised = (node.exc for node in ast.walk(function) if isinstance(node, ast.Raise))
    return {each.func.id for each in raised if isinstance(each, ast.Call) and isinstance(each.func, ast.Name)}
