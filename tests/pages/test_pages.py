"""What the pages for people keep to: each block of each page runs, is read by a program, or says why it does not run.

How to bring a page: write it, put its world into a module of `tests/pages/worlds`, and run
`pytest tests/pages -k <its name>`. A block that cannot run here begins with a comment `not run here: REASON`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tests.pages.blocks import (
    ROOT,
    Block,
    UnclosedBlockError,
    blocks_of,
    pages,
    prose_of,
    read_blocks,
    spans_of,
    words_in,
)
from tests.pages.commands import commands_of, spans_with_commands, unknown_in_pattern, why_refused
from tests.pages.languages import LANGUAGES, check
from tests.pages.world import NOTHING_RUNS, World, run_page, runs
from tests.pages.worlds import PENDING, TWICE, WORLDS

PAGES = pages()
HELD = [page for page in PAGES if page in WORLDS]
WORDS = 600
#: Pages that may be longer, and why.
LONG = {
    "examples/laravel/README.md": "all of a package",
    "openwa_manager/docs/design.md": "all of how the daemon is built",
    "openwa_manager/docs/guide.md": "a line for each statement of a guide of 430 lines",
    "openwa_manager/docs/openwa.md": "all that was found out about OpenWA",
    "openwa_manager/docs/performance.md": "how it is measured, every figure, and what did not pay",
    "openwa_manager/docs/security.md": "a table of every threat",
    "launchd/README.md": "what install.md leaves out: where all lies, and what to do when it does not start",
    "systemd/README.md": "the same for Linux, and the sandbox",
    "openwa_manager/docs/reference/": "everything there is to look up, drawn from the code",
}
#: Languages that somebody must run or use: this machinery only looks through them.
USED_ELSEWHERE = ("php", "js")
_PLACE = re.compile(r"(?:\.\./)*((?:examples|systemd|launchd|tests|openwa_manager|\.github)/[\w./-]*)")


def is_long(page: str) -> bool:
    return any(page == each or (each.endswith("/") and page.startswith(each)) for each in LONG)


def needs_world(blocks: list[Block]) -> bool:
    return any(map(runs, blocks))


def is_wanting(page: str) -> bool:
    """Tell whether a page has blocks to run, blocks that are not what they say, or too many words."""
    blocks = blocks_of(page)
    try:
        for block in blocks:
            check(block)
    except AssertionError:
        return True
    return needs_world(blocks) or not (is_long(page) or words_in(prose_of(page)) <= WORDS)


def marks_of(world: World) -> list[pytest.MarkDecorator]:
    if world.asks_registry:
        return [pytest.mark.slow, pytest.mark.registry, pytest.mark.timeout(400)]
    return [pytest.mark.slow] if world.is_slow else []


def run_by_this() -> Iterator[ParameterSet]:
    for page in HELD:
        if needs_world(blocks_of(page)):
            yield pytest.param(page, marks=marks_of(WORLDS[page]))


def missing_places(page: str) -> Iterator[str]:
    """Yield the files of this repository that a page names as code and that are not there."""
    for span in spans_of(page):
        found = _PLACE.fullmatch(span)
        if found and not (ROOT / found[1]).exists():
            yield span


def test_every_page_has_a_world_or_is_said_to_be_pending() -> None:
    assert sorted({**WORLDS, **PENDING}) == PAGES
    assert TWICE == []


def test_no_page_is_pending_that_has_nothing_more_to_do() -> None:
    assert [page for page in PENDING if not is_wanting(page)] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_a_page_shows_exists(page: str) -> None:
    shown = [(str(block), words) for block in blocks_of(page) if block.language == "sh" for words in commands_of(block)]
    refused = [f"{where}: {words}: {why}" for where, words in shown if (why := why_refused(words))]
    patterns = [f"{words}: {unknown}" for words in spans_with_commands(page) if (unknown := unknown_in_pattern(words))]

    assert refused + patterns == []


@pytest.mark.parametrize("page", PAGES)
def test_every_file_of_the_repository_that_a_page_names_is_there(page: str) -> None:
    assert list(missing_places(page)) == []


@pytest.mark.parametrize("page", HELD)
def test_every_block_is_what_its_language_says(page: str) -> None:
    for block in blocks_of(page):
        check(block)


@pytest.mark.parametrize("page", [page for page in HELD if not is_long(page)])
def test_a_page_is_short(page: str) -> None:
    assert words_in(prose_of(page)) <= WORDS


@pytest.mark.parametrize("page", HELD)
def test_what_is_only_looked_through_here_is_used_by_another_test(page: str) -> None:
    shown = {block.language for block in blocks_of(page) if not block.not_run_because}
    used = WORLDS[page].used_by

    assert {each for each in shown if each in USED_ELSEWHERE} == used.keys()
    assert [test for test in used.values() if not (ROOT / test).is_file()] == []


@pytest.mark.parametrize("page", list(run_by_this()))
def test_a_page_runs_from_its_first_block_to_its_last(page: str) -> None:
    run_page(page, blocks_of(page), WORLDS[page])


@pytest.mark.parametrize("page", [page for page in HELD if WORLDS[page] is NOTHING_RUNS])
def test_a_page_without_a_world_has_nothing_to_run(page: str) -> None:
    assert not needs_world(blocks_of(page))


def test_a_page_that_fails_is_noticed() -> None:
    blocks = read_blocks("page.md", "```sh\ntrue\n```\n```sh\nfalse\n```\n")

    with pytest.raises(AssertionError, match=r"page\.md ends with 1\n--- page\.md:1\n--- page\.md:4"):
        run_page("page.md", blocks, World(runs_daemon=False))


@pytest.mark.parametrize(
    "code",
    [
        "false && true\ntrue",
        "cd /nowhere && true  # a comment\ntrue",
        "false | cat\ntrue",
        "(false && true)\ntrue",
        "curl -s http://127.0.0.1:2790/v1/nothing\ntrue",
    ],
)
def test_a_command_that_fails_is_noticed_although_others_follow(code: str) -> None:
    blocks = read_blocks("page.md", f"```sh\n{code}\n```\n")

    with pytest.raises(AssertionError, match=r"page\.md ends with"):
        run_page("page.md", blocks, World(runs_daemon="curl" in code))


def test_lists_of_commands_stay_what_they_are() -> None:
    code = "A=1 && B=2\ncat > x <<'END'\na && b\nEND\ntest $A$B = 12 &&\n  grep -q '^a && b$' x\n"

    run_page("page.md", read_blocks("page.md", f"```sh\n{code}```\n"), World(runs_daemon=False))


def test_one_block_has_what_another_has_set_and_python_sees_what_is_exported() -> None:
    blocks = read_blocks(
        "page.md", "```sh\nexport A=1\n```\n1.\n   ```python\n   import os\n   assert os.environ['A'] == '1'\n   ```\n"
    )

    run_page("page.md", blocks, World(runs_daemon=False))


def test_a_block_that_cannot_run_is_not_run_but_read() -> None:
    blocks = read_blocks("page.md", "```sh\n# not run here: no Mac\nfalse\n```\n```sh\n# not run here: no\nif\n```\n")

    run_page("page.md", blocks, World(runs_daemon=False))
    check(blocks[0])
    with pytest.raises(AssertionError, match=r"page\.md:5"):
        check(blocks[1])


@pytest.mark.parametrize("text", ["```sh\ntrue\n", "  ```sh\ntrue\n  ```\n"])
def test_a_block_without_an_end_is_noticed(text: str) -> None:
    with pytest.raises(UnclosedBlockError):
        read_blocks("page.md", text)


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("", "x"),
        ("console", "$ x"),
        ("sh", "if true; then"),
        ("python", "def"),
        ("json", "{]"),
        ("toml", "no_setting = 1"),
        ("toml", "a = "),
        ("yaml", "a: [b"),
        ("ini", "a=b"),
        ("env", "OPENWA_MANAGER_NO_SETTING=1"),
        ("env", "no variable"),
        ("xml", "<a>"),
        ("caddyfile", "a {"),
        ("nginx", "}"),
    ],
)
def test_a_block_that_is_not_what_it_says_is_noticed(language: str, code: str) -> None:
    with pytest.raises(AssertionError):
        check(Block(page="page.md", line=1, language=language, code=code))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("openwa-manager list -o ids | head", [["list", "-o", "ids"]]),
        ("KEY=$(openwa-manager keys list)", [["keys", "list"]]),
        ("sudo -u x /opt/openwa-manager/bin/openwa-manager list", [["list"]]),
        ("watch -n 5 openwa-manager list", [["list"]]),
        ("sudo rm -r /opt/openwa-manager", []),
        ("cd openwa-manager", []),
        ("openwa-manager serve & openwa-manager top  # openwa-manager x", [["serve"], ["top"]]),
        ("openwa-manager list \\\n  -o ids 2> /dev/null", [["list", "-o", "ids"]]),
        ('openwa-manager send a +852 "Hello; there" && true', [["send", "a", "+852", "Hello; there"]]),
    ],
)
def test_commands_are_found_where_a_shell_would_run_them(code: str, expected: list[list[str]]) -> None:
    found = list(commands_of(Block(page="page.md", line=1, language="sh", code=code)))

    assert found == expected


@pytest.mark.parametrize(
    "words", [["lst"], ["list", "--nothing"], ["keys", "make"], ["send", "a"], ["help", "nothing"], ["list", "x", "y"]]
)
def test_a_command_that_does_not_exist_is_noticed(words: list[str]) -> None:
    assert why_refused(words)


@pytest.mark.parametrize("words", [["list", "--nothing"], ["keys", "create", "--role|--nothing"], ["lst"]])
def test_a_pattern_that_does_not_exist_is_noticed(words: list[str]) -> None:
    assert unknown_in_pattern(words)


def test_words_are_counted_without_frames_and_blocks() -> None:
    assert words_in("| a | b, c |\n|---|---|\n· 1 …") == 4


def test_every_language_is_one_that_something_checks() -> None:
    shown = {block.language for page in HELD for block in blocks_of(page)}

    assert shown <= LANGUAGES.keys()
    assert Path(ROOT / "openwa_manager" / "docs").is_dir()
