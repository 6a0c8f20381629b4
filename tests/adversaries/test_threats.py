"""The table of threats in docs/security.md: each line names a test, and that is there."""

import ast
import re

from tests.source import ROOT

PAGE = ROOT / "openwa_manager" / "docs" / "security.md"
#: What the table must speak of.
RISKS = [f"API{number}" for number in range(1, 11)]


def rows() -> list[tuple[str, ...]]:
    """Return the lines of the table: the threat, what holds, and the test."""
    (table,) = re.findall(r"<!-- begin threats -->\n(.*?)<!-- end threats -->", PAGE.read_text("utf-8"), re.DOTALL)
    return [tuple(cell.strip(" `") for cell in line.split("|")[1:4]) for line in table.splitlines()[2:]]


def test_every_risk_of_the_list_is_spoken_of() -> None:
    spoken_of = {threat.split()[0] for threat, _, _ in rows()}

    assert [risk for risk in RISKS if risk not in spoken_of] == []


def test_every_line_has_a_test_that_is_there() -> None:
    missing = [test for _, _, test in rows() if not is_there(*test.partition("::")[::2])]

    assert missing == []


def is_there(file: str, name: str) -> bool:
    if not (ROOT / file).is_file():
        return False
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
