"""The linter's rules about security (`S`) hold everywhere: an exception is for one line, and says why."""

import re
import tomllib

from tests.source import FILES, ROOT, name_of

#: What tests may, beside what the package may: assertions, and secrets, paths and programs of their own.
OF_TESTS = {"S101", "S105", "S106", "S108", "S603", "S607"}
_EXCEPTION = re.compile(r"# noqa: (?:[A-Z0-9]+, *)*S\d{3}(?:, *[A-Z0-9]+)*(?P<reason>.*)")
SHIPPED = [path for path in FILES if not path.is_relative_to(ROOT / "tests")]


def test_no_rule_about_security_is_off_for_the_package_or_the_examples() -> None:
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]["lint"]

    assert lint["select"] == ["ALL"]
    assert [rule for rule in lint["ignore"] if is_about_security(rule)] == []
    off = {place: {*filter(is_about_security, rules)} for place, rules in lint["per-file-ignores"].items()}
    assert {place: rules for place, rules in off.items() if rules} == {"tests/**": OF_TESTS}


def is_about_security(rule: str) -> bool:
    return re.fullmatch(r"S\d*", rule) is not None


def test_an_exception_says_why() -> None:
    exceptions = [
        (name_of(path), found)
        for path in SHIPPED
        for line in path.read_text("utf-8").splitlines()
        if (found := _EXCEPTION.search(line))
    ]

    assert exceptions
    assert [f"{name}: {found[0]}" for name, found in exceptions if len(found["reason"].strip(" -()")) < 3] == []
