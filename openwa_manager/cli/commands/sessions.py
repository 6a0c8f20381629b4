"""The commands that make, show, run and remove sessions."""

import argparse
import shlex
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypedDict, cast

from openwa_manager.cli.command import Command, Invocation
from openwa_manager.cli.errors import FAILED
from openwa_manager.cli.listing import list_sessions
from openwa_manager.cli.terminal.output import cell, record
from openwa_manager.cli.terminal.tables import Column, ColumnKind, Listing
from openwa_manager.engines import registry

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

_WAIT_S = 30.0
#: As long as the daemon lets people scan (`pairing_window_s`).
_LINK_WAIT_S = 180.0
#: The public statuses.
STATUSES = (
    *("creating", "qr_ready", "authenticating", "connected", "disconnected", "restarting"),
    *("stopping", "stopped", "failed", "banned", "logged_out"),
)
#: In these nothing happens by itself any more, or not soon.
GIVEN_UP = ("failed", "banned", "logged_out")


class _Reason(TypedDict):
    code: str
    detail: str


class _Restarts(TypedDict):
    count: int
    next_at: str | None


class _Usage(TypedDict):
    rss_bytes: int


class Session(TypedDict):
    """What is read here of the API's session."""

    session_id: str
    user_id: str | None
    status: str
    reason: _Reason | None
    engine: str
    pid: int | None
    port: int | None
    socket: str | None
    phone_number: str | None
    restarts: _Restarts
    usage: _Usage | None
    labels: Mapping[str, str]
    started_at: str | None
    updated_at: str


class _Qr(TypedDict):
    expires_at: str


class _NewSession(Session):
    qr_base64: str | None
    qr: _Qr | None


def _create(invocation: Invocation) -> int | None:
    given = invocation.arguments
    wait_for = "none" if given.stopped else given.wait_for
    is_followed = wait_for == "connected"
    body: dict[str, Json] = {
        "session_id": given.session_id,
        "user_id": given.user_id,
        "engine": given.engine,
        "desired": "stopped" if given.stopped else None,
        "wait_for": "none" if is_followed else wait_for,
        "timeout_s": None if is_followed else _WAIT_S if given.timeout is None else given.timeout,
        "labels": dict(given.label) or None,
        "env": dict(given.env) or None,
        "proxy_url": given.proxy_url,
        "memory_limit_bytes": given.memory_limit,
    }
    asked = {name: value for name, value in body.items() if value is not None}
    session = cast("_NewSession", invocation.client.post("/v1/sessions", body=asked))
    if is_followed:
        return _follow(invocation, session["session_id"])
    invocation.output.show(_brief(session), lambda: _drawn_new(invocation, session))
    is_late = wait_for == "qr" and not session["qr_base64"] and session["status"] == "creating"
    return report(session, has_failed=is_late or session["status"] in GIVEN_UP)


def _brief(session: "_NewSession") -> "dict[str, Json]":
    return {
        "session_id": session["session_id"],
        "status": session["status"],
        "pid": session["pid"],
        "qr_base64": session.get("qr_base64"),
    }


def _follow(invocation: Invocation, session_id: str) -> int | None:
    """Show codes until a phone is linked; return 1 if none was within the time."""
    from openwa_manager.cli.commands.linking import follow_codes
    from openwa_manager.cli.commands.qr import said_link

    given_s = invocation.arguments.timeout
    within_s = _LINK_WAIT_S if given_s is None else given_s
    linked = follow_codes(invocation, session_id, within_s)
    if not invocation.output.is_for_people:
        invocation.output.show(_brief(cast("_NewSession", linked)), str)
    return said_link(invocation, linked, within_s)


def report(session: Session, *, has_failed: bool) -> int | None:
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
    parser.add_argument("--label", metavar="NAME=TEXT", type=pair, action="append", default=[], help="may be repeated")
    parser.add_argument("--env", metavar="NAME=TEXT", type=pair, action="append", default=[], help="for its engine")
    parser.add_argument("--proxy-url", metavar="URL", help="how its engine reaches WhatsApp")
    parser.add_argument("--memory-limit", metavar="SIZE", type=size, help="restart its engine above this, as 800M")
    parser.add_argument("--wait-for", choices=("none", "qr", "connected"), default="qr", help="default: %(default)s")
    waits = f"wait so long ({_WAIT_S:g}; for connected {_LINK_WAIT_S:g}, and codes are shown meanwhile)"
    parser.add_argument("--timeout", metavar="S", type=float, help=waits)
    parser.add_argument("--stopped", action="store_true", help="do not start it")


def pair(text: str) -> tuple[str, str]:
    """Return the name and the text of NAME=TEXT."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=TEXT")
    return name, value


def size(text: str) -> int:
    """Return the bytes that a size with or without K, M or G (thousands) has."""
    number, factor = text[:-1], {"K": 10**3, "M": 10**6, "G": 10**9}.get(text[-1:].upper())
    number = text if factor is None else number
    try:
        return round(float(number) * (factor or 1))
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 800M or 1.5G") from error


def _drawn_new(invocation: Invocation, session: _NewSession) -> str:
    """Return what a new session is, and its code with what to do with it, unless the window is too small for that."""
    if not session["qr_base64"]:
        return said_status(invocation, session)
    from openwa_manager.cli.commands.linking import HOW, too_small
    from openwa_manager.cli.terminal.qr_drawing import draw, modules_of
    from openwa_manager.cli.terminal.times import short, zone

    session_id, qr = cell(session["session_id"]), session["qr"]
    until = f"code until {short(qr['expires_at'])} {zone()}: " if qr else ""
    head = [f"{session_id}: {invocation.output.paint(session['status'])}", f"{until}{HOW}"]
    code = draw(modules_of(session["qr_base64"])).splitlines()
    if invocation.output.is_terminal and (trouble := too_small([*code, *head, ""])):
        code = [*trouble, f"In a larger window it is drawn by: openwa-manager qr {session_id} -f"]
    return "\n".join([*head, *code])


def _list(invocation: Invocation) -> None:
    given = invocation.arguments
    labels = [":".join(each) for each in given.label]
    sessions = list_sessions(invocation.client, {"status": given.status, "user_id": given.user_id, "label": labels})
    nothing = f"no session is {' or '.join(given.status)}" if given.status else "no sessions"
    invocation.output.show_list({"sessions": sessions}, lambda: _listed(cast("list[Session]", sessions), nothing))


def _declare_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--status",
        choices=STATUSES,
        metavar="STATUS",
        action="append",
        default=[],
        help=f"only those in it, may be repeated: {', '.join(STATUSES)}",
    )
    parser.add_argument("--user-id", help="only those of this user")
    parser.add_argument(
        "--label",
        metavar="NAME=TEXT",
        type=pair,
        action="append",
        default=[],
        help="only those with this label; may be repeated",
    )


_COLUMNS = (
    Column("SESSION", 10, ColumnKind.ID),
    Column("STATUS", 9, ColumnKind.STATUS),
    Column("REASON", 8, ColumnKind.CODE),
    Column("PHONE", 7, ColumnKind.CODE),
    Column("MEMORY", 6, ColumnKind.SIZE),
    Column("CHANGED", 5, ColumnKind.TIME),
    Column("RESTARTS", 4, ColumnKind.COUNT),
    Column("PID", 3, ColumnKind.CODE),
    Column("USER", 0),
    Column("ENGINE", 0),
    Column("LABELS", 0),
    Column("STARTED", 0, ColumnKind.TIME),
)


def _listed(sessions: list[Session], nothing: str) -> Listing:
    return Listing(_COLUMNS, [_row(session) for session in sessions], nothing)


def _row(session: Session) -> tuple[object, ...]:
    return (
        session["session_id"],
        session["status"],
        session["reason"]["code"] if session["reason"] else None,
        session["phone_number"],
        session["usage"]["rss_bytes"] if session["usage"] else None,
        session["updated_at"],
        session["restarts"]["count"],
        session["pid"],
        session["user_id"],
        session["engine"],
        session["labels"],
        session["started_at"],
    )


def drawn_with_engine(session: Session) -> str:
    """Return a session, and how to ask its engine."""
    if session["socket"] is not None:
        url = f"--unix-socket {shlex.quote(session['socket'])} http://localhost"
    elif session["port"] is not None:
        url = f"http://127.0.0.1:{session['port']}"
    else:
        return _drawn(session)
    path = "/health" if session["engine"] == registry.COMMAND else "/api/health"
    return f"{_drawn(session)}\n\nask its engine: curl {url}{path}"


def said_status(invocation: Invocation, session: Session) -> str:
    """Return in a line what a session is now, and how to link it where it waits for that."""
    session_id, status = session["session_id"], session["status"]
    then = f"; openwa-manager qr {session_id} -f shows its codes" if status == "qr_ready" else ""
    return f"{cell(session_id)}: {invocation.output.paint(status)}{then}"


def _drawn(session: Session) -> str:
    """Return a session, one fact a line; a group of facts in one line. What it does not have is left out."""
    nothing: tuple[object, ...] = (None, {}, [])
    facts = {name: value for name, value in session.items() if name != "qr_base64" and value not in nothing}
    if reason := session["reason"]:
        facts["reason"] = f"{reason['code']}: {reason['detail']}"
    return record(facts)


COMMANDS = (
    Command("create", "make a session, start it and wait for its QR code", _create, _declare_create),
    Command("list", "list the sessions", _list, _declare_list),
)
