"""The commands that start, stop, restart, unlink and remove sessions."""

import argparse
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from openwa_manager.cli.client import Client
from openwa_manager.cli.command import WAIT_S, Command, Invocation, path_of_session, takes_wait
from openwa_manager.cli.commands.changes.consent import require_yes
from openwa_manager.cli.commands.changes.selection import SelectedSessions, is_anything_named, select, takes_sessions
from openwa_manager.cli.commands.changes.together import SessionOutcome, do_together
from openwa_manager.cli.commands.sessions import GIVEN_UP, Session, report, said_status
from openwa_manager.cli.errors import UsageError

if TYPE_CHECKING:
    from openwa_manager.cli.client import Query
    from openwa_manager.domain.delivery.events import Json

_POLL_S = 0.1
#: How long a rolling restart waits for each unless told: an engine with a browser takes a minute.
_ROLLING_WAIT_S = 120.0
#: In these a session that is being logged out has ended.
_ENDED = ("stopped", *GIVEN_UP)


def _start(invocation: Invocation) -> int | None:
    return _change(invocation, select(invocation), "start")


def _restart(invocation: Invocation) -> int | None:
    given, chosen = invocation.arguments, select(invocation)
    if not given.rolling:
        return _change(invocation, chosen, "restart")
    from openwa_manager.cli.commands.changes.rolling import restart_in_turn

    return restart_in_turn(invocation, chosen.ids, _ROLLING_WAIT_S if given.wait is None else given.wait)


def _log_out(invocation: Invocation) -> int | None:
    given, chosen = invocation.arguments, select(invocation)
    require_yes(
        f"{_counted(chosen)} will be logged out: the phone must be linked anew.", chosen.ids, is_given=given.yes
    )
    return _change(invocation, chosen, "logout")


def _counted(chosen: SelectedSessions) -> str:
    return "1 session" if len(chosen.ids) == 1 else f"{len(chosen.ids):,} sessions"


def _stop(invocation: Invocation) -> int | None:
    given = invocation.arguments
    if given.all:
        if is_anything_named(given):
            raise UsageError("--all means every session: name no other")
        return _stop_all(invocation)
    if given.until_start:
        raise UsageError("--until-start belongs to --all")
    return _change(invocation, select(invocation), "stop")


def _change(invocation: Invocation, chosen: SelectedSessions, verb: str) -> int | None:
    """Ask for it and wait for what comes of it; return 1 if a session that was to run has failed."""
    client, given_s = invocation.client, invocation.arguments.wait
    wait_s = WAIT_S if given_s is None else given_s
    query: Query = {"wait": wait_s}

    def ask(session_id: str) -> "Json":
        path = path_of_session(session_id)
        if verb == "logout":  # the API does not wait for its end
            return _when_ended(client, path, client.post(f"{path}/logout"), wait_s)
        return client.post(f"{path}/{verb}", query)

    def outcome(session_id: str) -> SessionOutcome:
        return _outcome(cast("Session", ask(session_id)), verb)

    if not chosen.is_single:
        return do_together(invocation, chosen.ids, outcome)
    answer = ask(chosen.ids[0])
    session = cast("Session", answer)
    invocation.output.show(answer, lambda: said_status(invocation, session))
    return report(session, has_failed=_has_failed(session, verb))


def _when_ended(client: Client, path: str, session: "Json", wait_s: float) -> "Json":
    give_up_s = time.monotonic() + wait_s
    while cast("Session", session)["status"] not in _ENDED and time.monotonic() < give_up_s:
        time.sleep(_POLL_S)
        session = client.get(path)
    return session


def _outcome(session: Session, verb: str) -> SessionOutcome:
    has_failed = _has_failed(session, verb)
    why = session["reason"]["detail"] if has_failed and session["reason"] else ""
    return SessionOutcome(session["session_id"], session["status"], has_failed, why)


def _has_failed(session: Session, verb: str) -> bool:
    return verb in ("start", "restart") and session["status"] in GIVEN_UP


def _stop_all(invocation: Invocation) -> int | None:
    """Return 1 if some engine still lives when the wait is over."""
    given = invocation.arguments
    until = "until the daemon starts again" if given.until_start else "until they are started again"
    require_yes(f"All sessions will be stopped {until}.", is_given=given.yes)
    wait_s = WAIT_S if given.wait is None else given.wait
    living = stop_all(invocation.client, wait_s, until_start=given.until_start)
    document: Json = {"still_running": list(living)}
    invocation.output.show(document, lambda: f"still running: {', '.join(living)}" if living else "all stopped")
    return 1 if living and wait_s else None


def stop_all(client: Client, wait_s: float, *, until_start: bool = False) -> list[str]:
    """Stop every session; return those whose engine still lives after `wait_s` seconds."""
    client.post("/v1/sessions/stop", body={"until_start": until_start})
    give_up_s = time.monotonic() + wait_s
    while (living := cast("Mapping[str, int]", client.get("/v1/registry"))) and time.monotonic() < give_up_s:
        time.sleep(_POLL_S)
    return sorted(living)


def _delete(invocation: Invocation) -> int | None:
    given, chosen = invocation.arguments, select(invocation)
    data = "their data stays" if given.keep_data else "with all data: the phone must be linked anew"
    require_yes(f"{_counted(chosen)} will be deleted, {data}.", chosen.ids, is_given=given.yes)
    query = {"keep_data": given.keep_data or None, "logout": given.logout or None}

    def remove(session_id: str) -> SessionOutcome:
        left = invocation.client.delete(path_of_session(session_id), query)
        if left is None:
            return SessionOutcome(session_id, "deleted")
        reason = cast("Session", left)["reason"]
        return SessionOutcome(session_id, "deleting", detail=reason["detail"] if reason else "")

    if not chosen.is_single:
        return do_together(invocation, chosen.ids, remove)
    outcome = remove(chosen.ids[0])
    is_gone = outcome.status == "deleted"
    said = f"{outcome.session_id} {'deleted' if is_gone else f'is still being deleted: {outcome.detail}'}"
    invocation.output.show({"session_id": outcome.session_id, "deleted": is_gone}, lambda: said)
    return None


def _declare_stop(parser: argparse.ArgumentParser) -> None:
    takes_sessions(parser)
    parser.add_argument("--all", action="store_true", help="every session; asks before")
    parser.add_argument("--until-start", action="store_true", help="with --all: only until the daemon starts again")
    _takes_yes(parser)
    takes_wait(parser)


def _declare_logout(parser: argparse.ArgumentParser) -> None:
    takes_sessions(parser)
    _takes_yes(parser)
    takes_wait(parser)


def _declare_delete(parser: argparse.ArgumentParser) -> None:
    takes_sessions(parser)
    parser.add_argument("--keep-data", action="store_true", help="leave its directory")
    parser.add_argument("--logout", action="store_true", help="unlink the phone first, if possible")
    _takes_yes(parser)


def _takes_yes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask; needed where nobody can be asked")


def _declare_start(parser: argparse.ArgumentParser) -> None:
    takes_sessions(parser)
    takes_wait(parser)


def _declare_restart(parser: argparse.ArgumentParser) -> None:
    _declare_start(parser)
    words = f"one after the other, each back before the next (up to {_ROLLING_WAIT_S:g} s each, or --wait)"
    parser.add_argument("--rolling", action="store_true", help=words)


COMMANDS = (
    Command("start", "run the engines of sessions from now on", _start, _declare_start),
    Command("stop", "end the engines of sessions and keep them down", _stop, _declare_stop),
    Command("restart", "end the engines of sessions and start them anew", _restart, _declare_restart),
    Command("logout", "unlink the phones of sessions and wipe the credentials", _log_out, _declare_logout),
    Command("delete", "end the engines and remove sessions with their directories", _delete, _declare_delete),
)
