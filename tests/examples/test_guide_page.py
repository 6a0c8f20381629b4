"""The page for those who come from the integration guide: no line without an answer, and its PHP is what is run."""

import re
from pathlib import Path

from tests.pages.blocks import ROOT, text_of

PAGE = "openwa_manager/docs/guide.md"
VERDICTS = ("works", "write ", "leave it out")
_ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+?) \| \[([\w/.-]+)\]\(\4\) \|$", re.MULTILINE)
#: Between these lines the guide's PHP stands; what is quoted of it is run by test_guide.py.
SERVICE, HANDLERS, HEALTH = range(159, 187), range(215, 258), range(265, 280)
#: Quoted of the manager script's part, of which the guide has no whole code.
_CODE = re.compile(r"^`([^`]*[;{,(])`$")


def rows() -> list[tuple[int, str, str]]:
    return [(int(line), said, answer) for line, said, answer, _ in _ROW.findall(text_of(PAGE))]


def test_every_row_has_an_answer_and_a_page() -> None:
    shown = [line for line in text_of(PAGE).splitlines() if re.match(r"\| \d", line)]

    assert len(rows()) == len(shown) >= 73
    assert [answer for _, _, answer in rows() if not answer.startswith(VERDICTS)] == []


def test_what_is_to_be_written_instead_is_said_with_its_reason() -> None:
    for line, _, answer in rows():
        assert answer.startswith("works") or len(answer.split()) >= 3, line


def test_the_rows_stand_in_the_order_of_the_guide() -> None:
    lines = [line for line, _, _ in rows()]

    assert lines == sorted(lines)
    assert (lines[0], lines[-1]) == (7, 432)


def test_the_php_that_is_quoted_is_the_php_that_is_run() -> None:
    run = "\n".join(path.read_text() for path in sorted((Path(__file__).parent / "guide").rglob("*.php")))
    places = (*SERVICE, *HANDLERS, *HEALTH)
    quoted = [found[1] for line, said, _ in rows() if line in places and (found := _CODE.match(said))]

    assert len(quoted) >= 15
    assert [code for code in quoted if code not in run] == []


def test_the_five_lines_that_fail_whatever_the_daemon_does_are_named_on_both_pages() -> None:
    [named] = re.findall(r"^Five of its lines fail .*: (.*)$", text_of(PAGE), re.MULTILINE)
    lines = {int(each) for each in re.findall(r"\d+", named)}
    answers = {line: answer for line, _, answer in rows()}

    assert len(lines) == 5
    assert lines <= answers.keys()
    laravel = text_of("openwa_manager/docs/laravel.md").partition("## What the integration guide has otherwise")[2]
    assert len(re.findall(r"^\| (?!the guide|---)", laravel, re.MULTILINE)) == 5
    assert (ROOT / "tests/examples/test_guide.py").is_file()
