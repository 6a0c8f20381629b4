"""Pythons and Node.js that `brew upgrade` would remove under a running daemon, laid out as Homebrew does."""

from pathlib import Path

import pytest

from openwa_manager.cli.doctor.interpreters import check_kegs, node_findings, python_findings
from openwa_manager.engines.program import NodeProgram

FRAMEWORK = "Frameworks/Python.framework/Versions/3.13/bin/python3.13"


def brewed(prefix: Path, formula: str, program: str) -> Path:
    """Install a program: the keg, the link in `opt`, the link in `bin`; return the last."""
    keg = prefix / "Cellar" / formula / "1.2.3_1"
    (keg / program).parent.mkdir(parents=True)
    (keg / program).write_text("#!/bin/sh\necho v22.20.0\n")
    (keg / program).chmod(0o755)
    for folder in ("opt", "bin", "var/homebrew/pinned"):
        (prefix / folder).mkdir(parents=True, exist_ok=True)
    (prefix / "opt" / formula).symlink_to(f"../Cellar/{formula}/1.2.3_1")
    link = prefix / "bin" / Path(program).name
    link.symlink_to(f"../opt/{formula}/{program}")
    return link


@pytest.mark.parametrize(
    ("name", "formula", "program", "cure"),
    [
        ("python", "python@3.13", FRAMEWORK, "brew pin python@3.13, or make the virtual environment with python.org"),
        ("node", "node@22", "bin/node", "brew pin node@22, or use nodejs.org's installer"),
        ("node", "node", "bin/node", "brew install node@22 && brew pin node@22, and node ="),
    ],
)
def test_a_keg_that_is_not_pinned_is_a_warning_with_its_cure(
    tmp_path: Path, name: str, formula: str, program: str, cure: str
) -> None:
    link = brewed(tmp_path, formula, program)

    (finding,) = check_kegs(name, (link,))

    assert finding.level == "warn"
    assert f"Homebrew's {formula}" in finding.detail
    assert str(finding.cure).startswith(cure)


def test_a_pinned_keg_is_fine(tmp_path: Path) -> None:
    link = brewed(tmp_path, "node@22", "bin/node")
    (tmp_path / "var/homebrew/pinned/node@22").symlink_to("../../../Cellar/node@22/1.2.3_1")

    (finding,) = check_kegs("node", (link,))

    assert (finding.level, finding.cure) == ("ok", None)


def test_what_is_not_homebrews_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "Cellar").mkdir()
    (tmp_path / "python").touch()

    assert list(check_kegs("python", (tmp_path / "python", tmp_path / "Cellar", tmp_path / "absent"))) == []
    assert all("keg" in finding.code for finding in python_findings())


def test_the_node_that_engines_would_get_is_looked_at(tmp_path: Path) -> None:
    link = brewed(tmp_path, "node", "bin/node")

    (finding,) = node_findings(NodeProgram(str(link), tmp_path / "openwa", {}))

    assert f'node = "{tmp_path}/opt/node@22/bin/node" in manager.toml' in str(finding.cure)
    assert list(node_findings(NodeProgram("no-such-node", tmp_path, {}))) == []
