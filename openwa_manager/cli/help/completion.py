"""Completes words in the shell by argcomplete, and finds the session that somebody may have meant."""

import argparse
from collections.abc import Mapping, Sequence
from typing import cast

from openwa_manager.cli.client import Client
from openwa_manager.cli.discovery import find_daemon
from openwa_manager.cli.errors import LISTS_SESSIONS, CommandFailedError
from openwa_manager.cli.parsing import PROGRAM, nearest
from openwa_manager.domain.errors import OpenwaManagerError

SHELLS = ("bash", "zsh", "fish")
#: Who presses a key does not wait for a daemon that is busy.
_PATIENCE_S = 1.0
_IDS_MAX = 500
#: What is named by an argument of this name, and where it is found.
_LISTED_BY: Mapping[str, str] = {
    "message_id": "openwa-manager messages shows them",
    "batch_id": "openwa-manager batch list shows them",
    "key_id": "keys go by id: openwa-manager keys shows them",
}


def script_for(shell: str) -> str:
    """Return what the shell is to run at its start; raises CommandFailedError where argcomplete is missing."""
    try:
        from argcomplete.shell_integration import shellcode
    except ImportError as error:
        raise CommandFailedError(
            "argcomplete is missing: install openwa-manager again, as `openwa-manager help install` says"
        ) from error

    script: str = shellcode([PROGRAM], shell=shell)
    return script


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell that asks how a word goes on, and end the process; without argcomplete nothing happens."""
    try:
        import argcomplete
    except ImportError:  # the words are a command like any other: `completion` says what is missing
        return

    argcomplete.autocomplete(parser, always_complete_options="long")


def ids_beginning_with(prefix: str, given: argparse.Namespace) -> Sequence[str]:
    """Return the ids of sessions that begin so; none where no daemon answers at once."""
    import os

    return [each for each in _ids(given, os.environ) if each.startswith(prefix)]


def nearest_session(given: argparse.Namespace, environ: Mapping[str, str]) -> str:
    """Return what is added to the complaint that something is not there: what may have been meant, or what lists it."""
    for name, hint in _LISTED_BY.items():
        if isinstance(word := getattr(given, name, None), str):
            return f": {word!r}; {hint}"
    named = [getattr(given, "session_id", None), *getattr(given, "session_ids", ())]
    words = [word for word in named if isinstance(word, str)]
    if not words:
        return ""
    ids = _ids(given, environ)
    if words[0] in ids:  # then something else was not there
        return ""
    return (nearest(words[0], ids) if len(words) == 1 else "") or LISTS_SESSIONS


def _ids(given: argparse.Namespace, environ: Mapping[str, str]) -> Sequence[str]:
    try:
        daemon = find_daemon(getattr(given, "url", None), getattr(given, "home", None), environ)
        page = Client(daemon, timeout_s=_PATIENCE_S).get("/v1/sessions", {"limit": _IDS_MAX})
    except OpenwaManagerError:
        return ()
    sessions = cast("Mapping[str, Sequence[Mapping[str, str]]]", page)["sessions"]
    return [each["session_id"] for each in sessions]
