"""Pages as text for a terminal: nothing is lost, and nothing is wider than the window but code."""

import pytest

from openwa_manager.api.docs.contents import entries
from openwa_manager.cli.help.drawing import draw_page
from openwa_manager.cli.help.pages import page_text, summary, topic_of, topics
from openwa_manager.cli.terminal.texts import text_width
from tests.cli.conftest import Run


def lines(source: str, width: int = 40, name: str = "install") -> list[str]:
    return draw_page(source, name, width).split("\n")


def test_headings_are_underlined_and_prose_is_wrapped() -> None:
    assert lines("# A page\n\nOne two **three** four `five` six seven eight\nnine.\n\n## Below\n\n### Last") == [
        *("A page", "======", ""),
        *("One two three four `five` six seven", "eight nine.", ""),
        *("Below", "-----", "", "Last"),
    ]


def test_headings_are_bold_where_there_are_colors() -> None:
    assert draw_page("# A page", "install", 40, is_bold=True) == "\x1b[1mA page\x1b[0m\n======"


def test_code_stays_as_it_is_and_says_whether_tests_run_it() -> None:
    assert lines("```sh\n# not run here: needs Homebrew\nbrew install \\\n  node\n\nls\n```") == [
        "    (not run by our tests: needs Homebrew)",
        *("    brew install \\", "      node", "", "    ls"),
    ]


def test_lists_hang_below_their_marks() -> None:
    source = "- one two three four five six seven eight nine\n- ten\n  - eleven\n\n3. first\n\n   more\n\n4. second"

    assert lines(source) == [
        *("- one two three four five six seven", "  eight nine", "- ten", "  - eleven", ""),
        *("3. first", "", "   more", "", "4. second"),
    ]


def test_a_quotation_has_a_line_beside_it() -> None:
    assert lines("> one\n>\n> two") == ["| one", "|", "| two"]


def test_a_link_is_written_as_it_is_followed_here() -> None:
    source = "[sending.md](sending.md) [pace](sending.md#pace) [here](#x) [site](https://a.example) <https://b.example>"

    assert " ".join(lines(source, 200)) == (
        "`help sending` pace (`help sending`) here site (https://a.example) https://b.example"
    )
    assert lines("[x](../install.md)", name="reference/settings") == ["x (`help install`)"]


def test_a_table_that_fits_has_columns() -> None:
    assert lines("| a | name |\n|---|---|\n| `x` | one \\| two |\n| | three |") == [
        *("  a    name", "  ---  ---------", "  `x`  one | two", "       three")
    ]


def test_a_wide_cell_goes_on_below() -> None:
    assert lines("| a | about |\n|---|---|\n| x | one two three four five six seven eight |") == [
        *(
            "  a  about",
            "  -  -----------------------------------",
            "  x  one two three four five six seven",
            "     eight",
        )
    ]


def test_a_table_that_does_not_fit_is_drawn_row_by_row() -> None:
    word = "x" * 30

    assert lines(f"| a | b | c |\n|---|---|---|\n| one | {word} | {word} |\n| two | | three |") == [
        *("  one", f"      b: {word}", f"      c: {word}", "  two", "      c: three")
    ]


def test_comments_and_lines_across_the_page_are_left_out() -> None:
    assert lines("one\n\n<!-- begin -->\n\n---\n\n![picture](a.png) ~~two~~") == ["one", "", "picture two"]


@pytest.mark.parametrize("name", topics())
@pytest.mark.parametrize("width", [60, 80])
def test_no_page_is_wider_than_the_window_but_for_code_and_words_that_are(name: str, width: int) -> None:
    wide = [line for line in page_text(name, width).split("\n") if text_width(line) > width]

    assert [line for line in wide if not line.startswith("    ") and " " in line.strip()] == []


def test_help_lists_every_page_on_a_line_of_its_own(pipe: Run) -> None:
    said = pipe("help").out
    listed = said.partition("Pages, as")[2].splitlines()[1:]

    assert [line.split()[0] for line in listed] == list(entries())
    assert max(map(text_width, summary().splitlines())) <= 80


def test_a_page_goes_by_the_end_of_its_name_unless_another_one_has_it() -> None:
    assert topic_of("install") == "install"
    assert topic_of("nowhere") is None
    assert all(topic_of(name) == name for name in topics())
    for name in (each for each in topics() if "/" in each):
        assert topic_of(name.rpartition("/")[2]) in (name, name.rpartition("/")[2])


def test_what_is_piped_is_as_wide_as_a_terminal() -> None:
    assert page_text("sending", None) == page_text("sending", 80)
    assert page_text("sending", 500) == page_text("sending", 100)
