"""The commands that make, show, run and remove sessions."""

import argparse
import shlex
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypedDict, cast

from openwa_manager.cli.client import Client
from openwa_manager.cli.command import Command, Invocation, takes_session, takes_wait
from openwa_manager.cli.errors import FAILED, UsageError
from openwa_manager.cli.terminal.output import megabytes, moment, record, table
from openwa_manager.engines import registry

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

_PAGE = 500
_POLL_S = 0.1
#: In these nothing happens by itself any more, or not soon.
_GIVEN_UP = ("failed", "banned", "logged_out")


class _Reason(TypedDict):
    code: str
    detail: str


class _Restarts(TypedDict):
    count: int
    next_at: str | None


class _Usage(TypedDict):
    rss_bytes: int


class _Session(TypedDict):
    """What is read here of the API's session."""

    session_id: str
    status: str
    reason: _Reason | None
    engine: str
    pid: int | None
    port: int | None
    socket: str | None
    phone_number: str | None
    restarts: _Restarts
    usage: _Usage | None
    updated_at: str


class _NewSession(_Session):
    qr_base64: str | None


def _create(invocation: Invocation) -> int | None:
    given = invocation.arguments
    body: dict[str, Json] = {
        "session_id": given.session_id,
        "user_id": given.user_id,
        "engine": given.engine,
        "desired": "stopped" if given.stopped else None,
        "wait_for": "none" if given.stopped else given.wait_for,
        "timeout_s": given.timeout,
        "labels": dict(given.label) or None,
        "env": dict(given.env) or None,
        "proxy_url": given.proxy_url,
        "memory_limit_bytes": given.memory_limit,
    }
    asked = {name: value for name, value in body.items() if value is not None}
    session = cast("_NewSession", invocation.client.post("/v1/sessions", body=asked))
    shown: dict[str, Json] = {
        "session_id": session["session_id"],
        "status": session["status"],
        "pid": session["pid"],
        "qr_base64": session["qr_base64"],
    }
    invocation.output.show(shown, lambda: _drawn_new(session))
    is_late = given.wait_for == "qr" and not session["qr_base64"] and session["status"] == "creating"
    return _report(session, has_failed=is_late or session["status"] in _GIVEN_UP)


def _report(session: _Session, *, has_failed: bool) -> int | None:
    """Return the exit code; what failed is also said to a person, since a script may look at nothing else."""
    if not has_failed:
        return None
    why = session["reason"]["detail"] if session["reason"] else "no reason is known"
    print(f"openwa-manager: {session['session_id']} is {session['status']}: {why}", file=sys.stderr)
    return FAILED


def _declare_create(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session_id", metavar="ID", nargs="?", help="a-z, 0-9, - and _; made up if absent")
    parser.add_argument("--user-id", help="whose session it is (taken from user_<x>_session_… if absent)")
    parser.add_argument("--engine", choices=registry.NAMES, help="what serves it")
    parser.add_argument("--label", metavar="NAME=TEXT", type=_pair, action="append", default=[], help="may be repeated")
    parser.add_argument("--env", metavar="NAME=TEXT", type=_pair, action="append", default=[], help="for its engine")
    parser.add_argument("--proxy-url", metavar="URL", help="how its engine reaches WhatsApp")
    parser.add_argument("--memory-limit", metavar="BYTES", type=int, help="restart its engine above this")
    parser.add_argument("--wait-for", choices=("none", "qr", "connected"), default="qr", help="default: %(default)s")
    parser.add_argument("--timeout", metavar="S", type=float, default=30.0, help="wait so long (%(default)g)")
    parser.add_argument("--stopped", action="store_true", help="do not start it")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=TEXT")
    return name, value


def _drawn_new(session: _NewSession) -> str:
    if not session["qr_base64"]:
        return _drawn(session)
    from openwa_manager.cli.terminal.qr_drawing import draw, modules_of

    return f"{_drawn(session)}\n{draw(modules_of(session['qr_base64']))}"


def _list(invocation: Invocation) -> None:
    given = invocation.arguments
    sessions = list_sessions(
        invocation.client, {"status": given.status, "user_id": given.user_id, "label": given.label}
    )
    invocation.output.show({"sessions": sessions}, lambda: _listed(cast("list[_Session]", sessions)))


def list_sessions(client: Client, query: Mapping[str, str | None]) -> "list[Json]":
    """Return all sessions that the query allows, page by page."""
    sessions: list[Json] = []
    cursor: str | None = None
    while True:
        page = cast("Mapping[str, Json]", client.get("/v1/sessions", {**query, "limit": _PAGE, "cursor": cursor}))
        sessions += cast("list[Json]", page["sessions"])
        cursor = cast("str | None", page["next_cursor"])
        if cursor is None:
            return sessions


def _declare_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--status", help="only those in this status")
    parser.add_argument("--user-id", help="only those of this user")
    parser.add_argument("--label", metavar="NAME:TEXT", help="only those with this label")


def _listed(sessions: list[_Session]) -> str:
    if not sessions:
        return "no sessions"
    columns = ("SESSION", "STATUS", "PID", "PHONE", "RESTARTS", "MEMORY", "CHANGED", "REASON")
    return table(
        columns,
        [
            (
                session["session_id"],
                session["status"],
                session["pid"],
                session["phone_number"],
                session["restarts"]["count"],
                megabytes(session["usage"]["rss_bytes"] if session["usage"] else None),
                moment(session["updated_at"]),
                session["reason"]["code"] if session["reason"] else None,
            )
            for session in sessions
        ],
    )


def _show(invocation: Invocation) -> None:
    session = invocation.client.get(invocation.session_path)
    invocation.output.show(session, lambda: _drawn_with_engine(cast("_Session", session)))


def _drawn_with_engine(session: _Session) -> str:
    """Return a session, and how to ask its engine."""
    if session["socket"] is not None:
        url = f"--unix-socket {shlex.quote(session['socket'])} http://localhost"
    elif session["port"] is not None:
        url = f"http://127.0.0.1:{session['port']}"
    else:
        return _drawn(session)
    path = "/health" if session["engine"] == registry.COMMAND else "/api/health"
    return f"{_drawn(session)}\n\nask its engine: curl {url}{path}"


def _start(invocation: Invocation) -> int | None:
    return _say_started(
        invocation, invocation.client.post(f"{invocation.session_path}/start", {"wait": invocation.arguments.wait})
    )


def _restart(invocation: Invocation) -> int | None:
    return _say_started(
        invocation, invocation.client.post(f"{invocation.session_path}/restart", {"wait": invocation.arguments.wait})
    )


def _say_started(invocation: Invocation, answer: "Json") -> int | None:
    _say(invocation, answer)
    session = cast("_Session", answer)
    return _report(session, has_failed=session["status"] in _GIVEN_UP)


def _log_out(invocation: Invocation) -> None:
    _say(invocation, invocation.client.post(f"{invocation.session_path}/logout"))


def _stop(invocation: Invocation) -> int | None:
    if invocation.arguments.all:
        return _stop_all(invocation)
    if invocation.arguments.until_start:
        raise UsageError("--until-start belongs to --all")
    _say(invocation, invocation.client.post(f"{invocation.session_path}/stop", {"wait": invocation.arguments.wait}))
    return None


def _declare_stop(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("session_id", metavar="ID", nargs="?", help="the session")
    which.add_argument("--all", action="store_true", help="every session")
    parser.add_argument("--until-start", action="store_true", help="with --all: only until the daemon starts again")
    takes_wait(parser)


def _stop_all(invocation: Invocation) -> int | None:
    """Return 1 if some engine still lives when the wait is over."""
    given = invocation.arguments
    living = stop_all(invocation.client, given.wait, until_start=given.until_start)
    document: Json = {"still_running": living}
    invocation.output.show(document, lambda: f"still running: {', '.join(living)}" if living else "all stopped")
    return 1 if living and given.wait else None


def stop_all(client: Client, wait_s: float, *, until_start: bool = False) -> list[str]:
    """Stop every session; return those whose engine still lives after `wait_s` seconds."""
    client.post("/v1/sessions/stop", body={"until_start": until_start})
    give_up_s = time.monotonic() + wait_s
    while (living := cast("Mapping[str, int]", client.get("/v1/registry"))) and time.monotonic() < give_up_s:
        time.sleep(_POLL_S)
    return sorted(living)


def _delete(invocation: Invocation) -> None:
    given = invocation.arguments
    invocation.client.delete(
        invocation.session_path, {"keep_data": given.keep_data or None, "logout": given.logout or None}
    )
    invocation.output.show({"session_id": given.session_id, "deleted": True}, lambda: f"{given.session_id} deleted")


def _declare_delete(parser: argparse.ArgumentParser) -> None:
    takes_session(parser)
    parser.add_argument("--keep-data", action="store_true", help="leave its directory")
    parser.add_argument("--logout", action="store_true", help="unlink the phone first, if possible")


def _declare_change(parser: argparse.ArgumentParser) -> None:
    takes_session(parser)
    takes_wait(parser)


def _say(invocation: Invocation, session: "Json") -> None:
    invocation.output.show(session, lambda: _drawn(cast("_Session", session)))


def _drawn(session: _Session) -> str:
    """Return a session, one fact a line; a group of facts in one line."""
    facts: dict[str, object] = {name: value for name, value in session.items() if name != "qr_base64"}
    if reason := session["reason"]:
        facts["reason"] = f"{reason['code']}: {reason['detail']}"
    return record(facts)


COMMANDS = (
    Command("create", "make a session, start it and wait for its QR code", _create, _declare_create),
    Command("list", "list the sessions", _list, _declare_list),
    Command("show", "show one session", _show, takes_session),
    Command("start", "run a session's engine from now on", _start, _declare_change),
    Command("stop", "end a session's engine and keep it down", _stop, _declare_stop),
    Command("restart", "end a session's engine and start it anew", _restart, _declare_change),
    Command("logout", "unlink the phone and wipe the credentials", _log_out, takes_session),
    Command("delete", "end the engine and remove the session with its directory", _delete, _declare_delete),
)
