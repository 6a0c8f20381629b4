"""The pages of `openwa_manager/docs`: their links lead somewhere, and code names only pages and headings that exist.

Code names a place as the page's path, a comma and the heading: a heading begins with a capital letter, other prose does
not.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "openwa_manager"
DOCS = PACKAGE / "docs"
DOCS_PAGES = sorted(DOCS.rglob("*.md"))
_OTHERS = (ROOT / name for name in ("README.md", "CHANGELOG.md", "systemd/README.md", "launchd/README.md"))
_ELSEWHERE = (path for folder in (".github", "examples") for path in sorted((ROOT / folder).rglob("*.md")))
PAGES = [*_OTHERS, *_ELSEWHERE, *DOCS_PAGES]
CODE = sorted(path for folder in (PACKAGE, ROOT / "tests") for path in folder.rglob("*.py"))
#: What may not name pages that lie outside the repository; caches hold bytes of all sorts.
OURS = ("openwa_manager", "tests", "examples", "systemd", "launchd", ".github", "README.md")
CACHES = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
OUTSIDE = ("DESIGN", "API", "OPENWA", "GUIDE", "STYLE")

_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_LINE_BREAK = re.compile(r"\n\s*(?:#:? )?")
_REFERENCE = re.compile(r"\bdocs/((?:[a-z0-9-]+/)*[a-z0-9-]+\.md)(?:, (?=[A-Z]))?")
_OUTSIDE = re.compile(rf"\b(?:{'|'.join(OUTSIDE)})\.md\b")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(page: Path) -> str:
    """Return the page without its blocks of code."""
    return _FENCED.sub("", page.read_text("utf-8"))


def headings(page: Path) -> list[str]:
    return _HEADING.findall(prose(page))


def anchor(heading: str) -> str:
    """Return what a link to the heading ends with, as GitHub spells it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def broken_links(page: Path) -> Iterator[str]:
    """Yield the relative links that lead nowhere, or out of the pages that are installed with the package."""
    for link in _LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, wanted = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        is_reachable = target.exists() and (page not in DOCS_PAGES or target.is_relative_to(DOCS))
        if not is_reachable or (wanted and wanted not in map(anchor, headings(target))):
            yield link


def wrong_references(code: str) -> Iterator[str]:
    """Yield what a source file names that no page of ours is, or has as a heading."""
    text = _LINE_BREAK.sub(" ", code)
    for found in _REFERENCE.finditer(text):
        page, rest = DOCS / found[1], text[found.end() :]
        names_heading = found[0].endswith(", ")
        if not page.is_file() or (names_heading and not any(begins(rest, heading) for heading in headings(page))):
            yield text[found.start() : found.end() + 40]


def begins(text: str, heading: str) -> bool:
    return re.match(re.escape(heading) + r"(?!\w)", text) is not None


def files(top: Path) -> Iterator[Path]:
    """Yield the file, or all files below the folder."""
    found = [top] if top.is_file() else sorted(top.rglob("*"))
    return (path for path in found if path.is_file() and not CACHES.intersection(path.parts))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert list(broken_links(page)) == []


def test_a_link_to_nothing_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# Once here\n[1](#once-here) [2](page.md#once-here) [3](https://x.org) [4](#gone) [5](gone.md)", "utf-8"
    )

    assert list(broken_links(page)) == ["#gone", "gone.md"]


@pytest.mark.parametrize("page", DOCS_PAGES, ids=name)
def test_a_heading_can_be_named(page: Path) -> None:
    found = Counter(headings(page))

    assert [heading for heading, count in found.items() if count > 1] == []
    assert [heading for heading in found if not heading[0].isupper()] == []


def test_code_names_only_pages_and_headings_that_exist() -> None:
    wrong = [f"{name(path)}: {reference}" for path in CODE for reference in wrong_references(path.read_text("utf-8"))]

    assert wrong == []


# The page's name is put in below: this file, too, is read by the test above.
@pytest.mark.parametrize(
    "reference",
    ["(docs/{}, Webhooks)", "docs/{}, Webhooks;", "docs/{},\n    # Webhooks.", "docs/{}", "docs/{}, at the end"],
)
def test_a_reference_to_a_heading_or_to_a_whole_page_is_accepted(reference: str) -> None:
    assert list(wrong_references(reference.format("openwa.md"))) == []


@pytest.mark.parametrize(
    ("page", "reference"),
    [("openwa.md", "docs/{}, Nowhere"), ("openwa.md", "docs/{}, Webhooksy"), ("nowhere.md", "docs/{}")],
)
def test_a_reference_to_nothing_is_noticed(page: str, reference: str) -> None:
    assert list(wrong_references(reference.format(page))) == [reference.format(page)]


@pytest.mark.parametrize("top", OURS)
def test_no_file_refers_to_a_page_outside_the_repository(top: str) -> None:
    found = [
        f"{name(path)}:{number}: {line.strip()}"
        for path in files(ROOT / top)
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), start=1)
        if _OUTSIDE.search(line)
    ]

    assert found == []


@pytest.mark.parametrize("page", DOCS_PAGES, ids=name)
def test_every_column_of_a_table_has_a_heading(page: Path) -> None:
    heads = re.findall(r"^(\|.*\|) *\n\|[ :|-]+\|$", prose(page), re.MULTILINE)

    assert [each for each in heads if any(not cell.strip() for cell in each.split("|")[1:-1])] == []
