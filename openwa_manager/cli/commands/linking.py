"""Shows the codes of a session as they come, until a phone is linked or none can be any more."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, NamedTuple, TypedDict, cast

from openwa_manager.cli.command import Invocation, path_of_session
from openwa_manager.cli.terminal.output import IDS
from openwa_manager.cli.terminal.texts import cell, shortened
from openwa_manager.cli.terminal.times import seconds_between, short, zone
from openwa_manager.cli.terminal.window import terminal_size

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

_POLL_S = 0.5
#: A clock that is further from the daemon's than this tells nothing about its codes.
_CLOCKS_APART_S = 5.0
#: In these no code comes any more unless somebody starts the session.
OVER = ("connected", "failed", "banned", "logged_out", "stopped")
HOW = "WhatsApp > Linked devices > Link a device"


class _Reason(TypedDict):
    code: str
    detail: str


class _QrBrief(TypedDict):
    seq: int


class LinkedSession(TypedDict):
    """What is read here of the API's session."""

    session_id: str
    status: str
    reason: _Reason | None
    phone_number: str | None
    qr: _QrBrief | None


class Qr(TypedDict):
    """What is read here of the API's code."""

    qr_base64: str
    attempt: int
    produced_at: str
    expires_at: str


class _Shown(NamedTuple):
    """The code that is shown, and which it is."""

    seq: int
    answer: "Json"


def follow_codes(invocation: Invocation, session_id: str, within_s: float | None) -> LinkedSession:
    """Show each new code; return the session once it is over, or after `within_s` (None: however long it takes).

    On a terminal each is drawn in the place of the last one, with the seconds that it is still good for; on one that
    cannot be drawn over (`TERM=dumb`) below it; else each is one JSON document. Where only ids are printed no code is
    read: it has none.
    Raises what the client raises.
    """
    path = path_of_session(session_id)
    began_s, shown = time.monotonic(), None
    with _window(invocation):
        while True:
            session = cast("LinkedSession", invocation.client.get(path))
            is_late = within_s is not None and time.monotonic() - began_s >= within_s
            if session["status"] in OVER or is_late:
                return session
            shown = _renewed(invocation, session, shown)
            if _is_drawn_over(invocation):
                _paint(session, shown, time.monotonic() - began_s)
            time.sleep(_POLL_S)


@contextmanager
def _window(invocation: Invocation) -> Iterator[None]:
    from openwa_manager.cli.terminal.screen import second_screen

    with second_screen() if _is_drawn_over(invocation) else nullcontext():
        yield


def _is_drawn_over(invocation: Invocation) -> bool:
    """Tell whether a person looks at a terminal that can be drawn over (terminfo(5), `dumb` can only add lines)."""
    output = invocation.output
    return output.is_terminal and output.is_for_people and invocation.environ.get("TERM") not in ("", "dumb", "unknown")


def _renewed(invocation: Invocation, session: LinkedSession, shown: _Shown | None) -> _Shown | None:
    """Return the code there is now; it is read only when it is a new one, for each reading is a line of the audit."""
    qr = session["qr"]
    if qr is None or session["status"] != "qr_ready" or invocation.output.form == IDS:
        return None
    if shown is not None and shown.seq == qr["seq"]:
        return shown
    answer = invocation.client.get(f"{path_of_session(session['session_id'])}/qr", {"format": "json"})
    if answer is None:
        return None
    if not _is_drawn_over(invocation):
        is_plain = invocation.output.is_terminal  # it is one that cannot be drawn over
        invocation.output.show(answer, lambda: drawn_code(cast("Qr", answer), is_plain=is_plain))
    return _Shown(qr["seq"], answer)


def drawn_code(qr: Qr, good_for: str | None = None, *, is_plain: bool = False) -> str:
    """Return a code with what to do with it, as lines for a terminal; `good_for` None: until when is told."""
    from openwa_manager.cli.terminal.qr_drawing import draw, modules_of

    told = good_for or f"until {short(qr['expires_at'])} {zone()}"
    return f"{draw(modules_of(qr['qr_base64']), is_plain=is_plain)}\ncode {qr['attempt']}, {told}: {HOW}"


def _countdown(qr: Qr) -> str | None:
    """Return how long a code is still good for; None when nobody knows, as with a daemon whose clock is another."""
    now_s = time.time()  # noqa: TID251 a code ends by the daemon's wall clock
    left_s, life_s = seconds_between(now_s, qr["expires_at"]), seconds_between(qr["produced_at"], qr["expires_at"])
    if left_s is None or life_s is None or left_s > life_s + _CLOCKS_APART_S or left_s < -_CLOCKS_APART_S:
        return None
    return f"{left_s:.0f} s left" if left_s >= 1 else "a new one comes"


def _paint(session: LinkedSession, shown: _Shown | None, waited_s: float) -> None:
    from openwa_manager.cli.terminal.screen import paint

    session_id, width = session["session_id"], terminal_size().columns
    if shown is None:
        why = f" ({session['reason']['code']})" if session["reason"] else ""
        lines = [f"{session_id} is {session['status']}{why}; no code yet, {waited_s:.0f} s (Ctrl-C leaves)"]
        paint([shortened(cell(line), width) for line in lines])
        return
    code = cast("Qr", shown.answer)
    lines = drawn_code(code, _countdown(code)).splitlines()
    trouble = too_small(lines)
    paint([shortened(line, width) for line in trouble] if trouble else [*lines[:-1], shortened(lines[-1], width)])


def too_small(lines: list[str]) -> list[str]:
    """Return what is said when these lines, a code and a hint, do not fit the window; nothing if they do."""
    from openwa_manager.cli.terminal.qr_drawing import drawn_width

    window, needed = terminal_size(), drawn_width(lines[0])
    if window.lines >= len(lines) and window.columns >= needed:
        return []
    return [
        f"The code needs {needed} columns and {len(lines)} lines; this window has {window.columns} and {window.lines}.",
        "Make the window larger, or its letters smaller (often Ctrl and -).",
        "Or type a code into the phone: pairing-code ID NUMBER",
        "Or look at a picture of it:    qr ID --output FILE",
    ]
