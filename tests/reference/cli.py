"""Writes docs/reference/cli.md: every command with its words and options, from the parsers that read them.

argparse's own help is not used: it depends on the width of the terminal and on the version of Python.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from openwa_manager.cli import parser_for
from openwa_manager.cli.command import declare_everywhere
from openwa_manager.cli.discovery import HOMES
from openwa_manager.cli.errors import EXIT_CODES
from openwa_manager.cli.help.examples import EXAMPLES
from openwa_manager.cli.help.overview import GROUPS
from openwa_manager.daemon import NEEDS_PERSON
from tests.reference.markdown import chapter, code, page, table

_INTRODUCTION: Final = """\
Every command of `openwa-manager`, its words and its options. `openwa-manager help COMMAND` tells the same of one.

Where several sessions may be named, so may patterns (`'user_1_*'`), and ids as tables shorten them. Output is a table
on a terminal, and JSON in a pipe. Sizes take K, M and G, which are thousands. What asks on a terminal needs `--yes` in
a script."""
_HEAD: Final = ("word or option", "what it is")
#: What every command has too.
_COMMON: Final = frozenset({"help", "home", "url", "form"})
_VARIABLES: Final = (
    ("OPENWA_BASE_URL", "The address of the daemon that is meant, as `--url`."),
    ("OPENWA_API_KEY", "The key for it."),
    ("OPENWA_MANAGER_HOME", "The home of the daemon that is meant, as `--home`."),
    ("OPENWA_MANAGER_OUTPUT", "The form of the output, as `-o`."),
    ("NO_COLOR", "Set: no colours."),
)


#: What no option says.
_NOTES: Final = {
    "serve": "It ends with 78 when it cannot start until a person has put something right: systemd then leaves it "
    "`failed`, and under launchd it waits for 5 minutes before it ends.",
    "batch": "The first line of the CSV names its columns: `to`, or else the first one, has the recipients, "
    "`reference` your own names for the messages, and all others are variables of the template. Commas, semicolons and "
    "tabs are understood, UTF-8 and what Excel calls Unicode text.",
}


def cli_page() -> str:
    """Return the page."""
    parser = parser_for([])
    commands = _below(parser)
    groups = {title: [name for name in names if name in commands] for title, names in GROUPS.items()}
    if others := set(commands).difference(*groups.values()):
        groups["Others"] = sorted(others)
    chapters = (_command(name, commands[name]) for names in groups.values() for name in names)
    return page("Commands", _INTRODUCTION, _overview(groups), _everywhere(), *chapters)


def _below(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of the commands below one, by their names."""
    words = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    return {name: below for action in words for name, below in action._name_parser_map.items()}


def _overview(groups: Mapping[str, Sequence[str]]) -> str:
    rows = []
    for title, names in groups.items():
        rows.append([title, " ".join(f"[{name}](#{name})" for name in names)])
    return table(["for", "commands"], rows)


def _everywhere() -> str:
    parser = argparse.ArgumentParser(add_help=False)
    declare_everywhere(parser)
    homes = " and ".join(map(code, HOMES))
    which = (
        f"The daemon that is meant is the one of `--url` or `OPENWA_BASE_URL`, else the one of `--home` or "
        f"`OPENWA_MANAGER_HOME`, else the first that has a socket in {homes}. Through its socket its own user and root "
        "need no key."
    )
    codes = [[str(number), words] for number, words in EXIT_CODES.items()]
    codes.append([str(NEEDS_PERSON), "Of `serve`: it cannot start until a person has put something right."])
    return "\n\n".join(
        (
            chapter("With every command", table(_HEAD, _rows(parser)), which),
            chapter("Environment", table(["name", "what it is"], ([code(name), text] for name, text in _VARIABLES))),
            chapter("Exit codes", table(["code", "what it tells"], codes)),
        )
    )


def _command(name: str, parser: argparse.ArgumentParser) -> str:
    """Return the chapter of a command; its heading has a capital letter, as those of all pages."""
    examples = "\n".join(["```text", *EXAMPLES.get(name, ()), "```"]) if name in EXAMPLES else ""
    return "\n\n".join([f"## {name.capitalize()}", *_described(parser), *filter(None, [_NOTES.get(name), examples])])


def _described(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield f"{code(_usage(parser))}: {parser.description}."
    if rows := list(_rows(parser)):
        yield table(_HEAD, rows)
    for below in _below(parser).values():
        yield from _described(below)


def _usage(parser: argparse.ArgumentParser) -> str:
    words = [parser.prog]
    if any(each.option_strings and each.dest not in _COMMON for each in parser._actions):
        words.append("[OPTION …]")
    for each in parser._actions:
        if isinstance(each, argparse._SubParsersAction):
            words.append("COMMAND …")
        elif not each.option_strings:
            words.append(_placed(each))
    return " ".join(words)


def _placed(action: argparse.Action) -> str:
    name = _value_of(action)
    match action.nargs:
        case "?":
            return f"[{name}]"
        case "*":
            return f"[{name} …]"
        case "+":
            return f"{name} …"
        case _:
            return name


def _rows(parser: argparse.ArgumentParser) -> Iterator[list[str]]:
    for each in parser._actions:
        is_command = isinstance(each, argparse._SubParsersAction)
        if is_command or each.help == argparse.SUPPRESS or (each.dest in _COMMON and parser.prog.startswith("openwa-")):
            continue
        needed = "" if not each.option_strings or not each.required else " (needed)"
        yield [code(_written(each)), _help_of(each, parser) + needed]


def _written(action: argparse.Action) -> str:
    if not action.option_strings:
        return _placed(action)
    value = "" if action.nargs == 0 else f" {_optional(action)}"
    return f"{', '.join(action.option_strings)}{value}"


def _optional(action: argparse.Action) -> str:
    return f"[{_value_of(action)}]" if action.nargs == "?" else _value_of(action)


def _value_of(action: argparse.Action) -> str:
    if action.metavar:
        return str(action.metavar)
    return "|".join(map(str, action.choices)) if action.choices else action.dest.upper()


def _help_of(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    return (
        (action.help or "") % {**vars(action), "prog": parser.prog} if "%" in (action.help or "") else action.help or ""
    )
