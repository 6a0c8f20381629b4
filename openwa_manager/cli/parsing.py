"""The parser of the command line: what it refuses it says in a line, with the nearest word there is."""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn

from openwa_manager.cli.errors import MISUSED, complain

PROGRAM = "openwa-manager"


#: What other programs call what we have, in order of preference; here the letters would lead elsewhere, or nowhere.
_USUAL: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(("status", "ps", "ls", "sessions"), ("list",)),
    **dict.fromkeys(("rm", "del"), ("delete", "remove")),
    "scan": ("qr",),
    "health": ("doctor",),
    "version": ("--version",),
    "--output": ("-o",),
    **dict.fromkeys(("-n", "--lines"), ("--tail",)),
}
_NUMBERS: Mapping[object, str] = {int: "whole number", float: "number"}
#: How alike words must be, of 1: `status` is no mistyped `start` (0.73).
_ALIKE = 0.75


def nearest(word: str, known: Iterable[str]) -> str:
    """Return what is added to a complaint about a word: the nearest known one; nothing if none is near."""
    from difflib import get_close_matches

    names = list(known)
    found = [name for name in _USUAL.get(word, ()) if name in names]
    found = found or get_close_matches(word[:100], names, n=1, cutoff=_ALIKE)
    return f": did you mean {found[0]!r}?" if found else ""


class Parser(argparse.ArgumentParser):
    """Refuses in two lines: what is wrong, and where to read more."""

    def parse_args(  # type: ignore[override]  # argparse has overloads for namespaces that nobody here makes
        self, args: Sequence[str] | None = None, namespace: None = None
    ) -> argparse.Namespace:
        """Return what was given; exits with 2 if that cannot be understood."""
        given, rest = self.parse_known_args(args, namespace)
        if rest:
            parser: Parser = getattr(given, "parser", self)
            parser.refuse(rest[0])
        return given

    def refuse(self, word: str) -> NoReturn:
        """Say that this word is not understood, and exit with 2."""
        name = word.partition("=")[0]
        if name.startswith("-"):
            self.error(f"there is no option {name}{nearest(name, self._option_string_actions)}")
        self.error(f"{word!r} is one word too many")

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where to read more; exit with 2."""
        words = self.prog.split()[1:]
        message = self._with_choices(message).removeprefix("argument ")
        complain(f"{message}\n{' '.join([PROGRAM, 'help', *words])} tells more")
        raise SystemExit(MISUSED)

    def _with_choices(self, message: str) -> str:
        """Return a complaint in fewer words; of what is missing it says which there are, if they are few."""
        before, is_missing, names = message.partition("the following arguments are required: ")
        if not is_missing:
            return message
        choices = {str(each.metavar or each.dest): list(each.choices or ()) for each in self._actions}
        said = (f"{name}{_listed(found) if (found := choices.get(name)) else ''}" for name in names.split(", "))
        return f"{before}missing: {', '.join(said)}"

    def _get_value(self, action: argparse.Action, arg_string: str) -> object:
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError:
            if action.type not in _NUMBERS:
                raise
            raise argparse.ArgumentError(action, f"{arg_string!r} is no {_NUMBERS[action.type]}") from None

    def format_help(self) -> str:
        """Return what the command does, and examples."""
        from openwa_manager.cli.help.examples import examples_of

        examples = examples_of(self.prog.split()[1:])
        said = "".join(f"  {line}\n" for line in examples)
        return f"{super().format_help()}\nexamples:\n{said}" if examples else super().format_help()

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is None or value in action.choices:
            return
        names = [str(each) for each in getattr(action, "known", None) or action.choices]
        hint = nearest(str(value), [*names, "--version"] if self.prog == PROGRAM else names)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - argparse names no other
            raise argparse.ArgumentError(None, f"there is no command {value!r}{hint or _listed(names)}")
        others = f"none of {', '.join(names)}"
        raise argparse.ArgumentError(action, f"{value!r} is {f'not known{hint}' if hint else others}")


def _listed(names: Sequence[str]) -> str:
    return f" (there are {', '.join(names)})" if len(names) < 12 else ""
