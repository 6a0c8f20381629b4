"""The lock file of the services' installation: what it pins is what the project asks for, and each file has a hash."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

#: One entry: `name==version`, perhaps a marker, then one hash or more, each on a line of its own.
HASHES = r"(?: \\\n    --hash=sha256:[0-9a-f]{64})+"
ENTRY = re.compile(rf"(?P<name>[a-z0-9-]+)==(?P<version>[^ ;]+)(?: ; [^\\\n]+)?{HASHES}\n")


def code_of(lock: str) -> str:
    """Return the file without its comments."""
    return "".join(line for line in lock.splitlines(keepends=True) if not line.lstrip().startswith("#"))


@pytest.fixture(scope="module")
def lock() -> str:
    return (ROOT / "systemd" / "requirements.lock").read_text("utf-8")


def versions_of(lock: str) -> dict[str, Version]:
    return {entry["name"]: Version(entry["version"]) for entry in ENTRY.finditer(lock)}


@pytest.mark.parametrize("dependency", PROJECT["dependencies"])
def test_every_dependency_is_pinned_to_a_release_the_project_allows(lock: str, dependency: str) -> None:
    wanted = Requirement(dependency)

    version = versions_of(lock).get(canonicalize_name(wanted.name))

    assert version is not None, f"{wanted.name} is not in the lock: run `make lock`"
    assert version in wanted.specifier, f"the lock has {wanted.name} {version}: run `make lock`"


def test_every_entry_is_one_release_with_the_hashes_of_its_files_and_there_is_nothing_else(lock: str) -> None:
    rest = ENTRY.sub("", code_of(lock))

    assert rest.strip() == ""


def test_it_says_nothing_of_the_machine_that_made_it(lock: str) -> None:
    comments = [line.strip() for line in lock.splitlines() if line.lstrip().startswith("#")]

    assert [each for each in comments if "://" in each or re.search(r"(^|\s)[~/]", each)] == []


def test_what_only_developers_need_is_not_in_it(lock: str) -> None:
    assert versions_of(lock).keys().isdisjoint({"build", "mypy", "pytest", "ruff", "hatchling"})
