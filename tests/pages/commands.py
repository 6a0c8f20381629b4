"""The commands of ours that pages show, held against the parser that takes them."""

import argparse
import contextlib
import io
import re
import shlex
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from openwa_manager.cli import NAMES, parser_for
from openwa_manager.cli.parsing import PROGRAM
from tests.pages.blocks import DOCS, Block, spans_of

#: Programs that stand before ours and hand its words on, and the names that pages give to it.
ALIASES = {PROGRAM, "owm"}
_BEFORE_OURS = {"sudo", "watch", "runuser", "exec", "env", "time", "until", "while", "if", "do", "!", "nohup"}
_ENDS = re.compile(r"[|&;()<>{}]+")
#: What a page writes where a reader puts a word of his own, in patterns such as `engine install VERSION`.
_PATTERN = re.compile(r"[\[\]…|]|^[A-Z_.]+$")


def commands_of(block: Block) -> Iterator[list[str]]:
    """Yield the words behind our program's name, for each time that a block of `sh` calls it."""
    for line in block.code.replace("\\\n", " ").splitlines():
        yield from _commands_in(line)


def _commands_in(line: str) -> Iterator[list[str]]:
    for inner in re.findall(r"\$\(([^()]*)\)", line):
        yield from _commands_in(inner)
    lexer = shlex.shlex(re.sub(r"\$\(([^()]*)\)", "0", line), posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, "#"
    try:
        words = list(lexer)
    except ValueError:  # a quotation of many lines: no command of ours has one
        return
    for number, word in enumerate(words):
        if Path(word).name in ALIASES and not word.endswith("/") and _may_begin(words[:number]):
            rest = words[number + 1 :]
            end = next((at for at, each in enumerate(rest) if _ENDS.fullmatch(each)), len(rest))
            yield _without_descriptor(rest[:end], rest[end:])


def _may_begin(before: Sequence[str]) -> bool:
    """Tell whether a word behind these is a program, and no argument of another, such as `rm -r openwa-manager`."""
    start = next((at for at in range(len(before), 0, -1) if _ENDS.fullmatch(before[at - 1])), 0)
    own = list(before[start:])
    values = {at + 1 for at, word in enumerate(own) if word in {"-u", "-n"}}
    rest = [word for at, word in enumerate(own) if at not in values and not word.startswith("-") and "=" not in word]
    return all(word in _BEFORE_OURS for word in rest)


def _without_descriptor(words: list[str], behind: Sequence[str]) -> list[str]:
    """Take away the 2 of `2>`."""
    is_redirected = bool(behind) and behind[0].startswith((">", "<"))
    return words[:-1] if is_redirected and words and words[-1] in {"1", "2"} else words


def spans_with_commands(page: str) -> Iterator[list[str]]:
    """Yield the words of each span of a page that shows a command with options, our program's name before it or not."""
    for span in spans_of(page):
        words = span.split()
        if words[:1] == [PROGRAM]:
            yield words[1:]
        elif words and words[0] in NAMES and any(word.startswith("--") for word in words):
            yield next((each for each in _completed(words) if not unknown_in_pattern(each)), words)


def _completed(words: list[str]) -> Iterator[list[str]]:
    """Yield what words may mean where prose has named a group before: `show --wait` among those of `batch`."""
    yield words
    yield from ([group, *words] for group in NAMES)


def why_refused(words: Sequence[str]) -> str | None:
    """Return what the program would say to these words; None if it takes them."""
    if words[:1] == ["help"]:
        return None if words[1:2] == [] or words[1] in {*NAMES, *_topics()} else f"help knows no {words[1]!r}"
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            _parser().parse_args(list(words))
        except SystemExit as end:
            return None if end.code in (0, None) else said.getvalue()
    return None


def unknown_in_pattern(words: Sequence[str]) -> list[str]:
    """Return the commands and options of a pattern that do not exist; other words are the reader's."""
    parser: argparse.ArgumentParser = _parser()
    unknown = []
    for word in (part for each in words for part in re.split(r"[\[\]|,;=]", each) if part):
        below = _below(parser)
        if word.startswith("-") and len(word) > 1:
            if not any(word in each.option_strings for each in parser._actions):
                unknown.append(word)
        elif word in below:
            parser = below[word]
        elif parser is _parser() and not _PATTERN.search(word):
            unknown.append(word)
    return unknown


def _below(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action._name_parser_map)
    return {}


@cache
def _parser() -> argparse.ArgumentParser:
    return parser_for([])


def _topics() -> set[str]:
    return {str(path.relative_to(DOCS).with_suffix("")) for path in DOCS.rglob("*.md")}
