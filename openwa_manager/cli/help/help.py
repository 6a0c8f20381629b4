"""The commands that explain: what a command does, what a page says, and how the shell completes words."""

import argparse

from openwa_manager.cli.command import Command, Invocation
from openwa_manager.cli.errors import UsageError
from openwa_manager.cli.parsing import nearest


def _help(invocation: Invocation) -> None:
    from openwa_manager.cli import NAMES, all_commands, parser_for
    from openwa_manager.cli.help.overview import overview
    from openwa_manager.cli.help.pages import page_text, summary, topic_of, topics

    words: list[str] = invocation.arguments.words
    if not words:
        invocation.output.write(f"{overview(all_commands())}\n\nPages, as `openwa-manager help install`:\n{summary()}")
    elif words[0] in NAMES and words[0] not in topics():  # a page of that name tells more than `--help`
        parser_for(words).parse_args([*words, "--help"])  # prints it and exits
    elif len(words) == 1 and (topic := topic_of(words[0])) is not None:
        output = invocation.output
        output.write(page_text(topic, output.width, has_colors=output.has_colors))
    else:
        hint = nearest(words[0], [*NAMES, *topics()])
        raise UsageError(
            f"there is neither a command nor a page {words[0]!r}{hint or ': `openwa-manager help` lists all'}"
        )


def _declare_help(parser: argparse.ArgumentParser) -> None:
    words = "a command, or a page such as install; none: list them all"
    vars(parser.add_argument("words", metavar="WORD", nargs="*", help=words))["completer"] = _complete


def _complete(prefix: str, **_: object) -> list[str]:
    from openwa_manager.cli import NAMES
    from openwa_manager.cli.help.pages import topics

    return [word for word in (*NAMES, *topics()) if word.startswith(prefix)]


def _completion(invocation: Invocation) -> None:
    from openwa_manager.cli.help.completion import script_for

    invocation.output.write(script_for(invocation.arguments.shell).strip())


def _declare_completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell")


COMMANDS = (
    Command("help", "say what a command does, or show a page", _help, _declare_help),
    Command(
        "completion", "print what makes a shell complete commands, options and ids", _completion, _declare_completion
    ),
)
