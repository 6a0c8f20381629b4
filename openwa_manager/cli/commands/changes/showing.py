"""Shows one session, or several that are named by ids, patterns, labels and statuses."""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from openwa_manager.cli.command import Command, Invocation, path_of_session
from openwa_manager.cli.commands.changes.selection import select, takes_sessions
from openwa_manager.cli.commands.sessions import Session, drawn_with_engine
from openwa_manager.cli.errors import LISTS_SESSIONS, NoSuchThingError, complain, exit_code_of
from openwa_manager.cli.listing import WILD
from openwa_manager.cli.terminal.texts import cell
from openwa_manager.domain.errors import OpenwaManagerError

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

#: An id as tables shorten it means one session, where a pattern means any number.
_ELLIPSIS = frozenset("…")

Read = Callable[[str], "dict[str, Json]"]
Draw = Callable[["dict[str, Json]"], str]


def show_sessions(invocation: Invocation, read: Read, draw: Draw, *, is_titled: bool = False) -> int | None:
    """Show what `read` returns of the path of each session that is meant, for people as `draw` draws it.

    Of one that was named the document is as the API has it; of several, and of patterns however few they mean, it is
    one object whose `sessions` are a list, as `list` prints it. One that is not there is complained about, and makes
    the exit code; the others are shown. `is_titled`: for people the id stands above each of several.
    """
    given = invocation.arguments
    if len(given.session_ids) == 1 and WILD.intersection(given.session_ids[0]) == _ELLIPSIS:
        given.session_id = given.session_ids[0]
        path = invocation.session_path
        given.session_ids = [path.rpartition("/")[2]]
    chosen = select(invocation)
    if chosen.is_single:
        document = read(path_of_session(chosen.ids[0]))
        invocation.output.show(document, lambda: draw(document))
        return None
    documents: list[dict[str, Json]] = []
    code: int | None = None
    for session_id in chosen.ids:
        try:
            documents.append({"session_id": session_id, **read(path_of_session(session_id))})
        except OpenwaManagerError as error:
            complain(f"{session_id}: {error}{LISTS_SESSIONS if isinstance(error, NoSuchThingError) else ''}")
            code = exit_code_of(error)
    if documents or not invocation.output.is_for_people:
        titles = [f"{cell(each['session_id'])}\n" if is_titled else "" for each in documents]
        drawn = (f"{title}{draw(each)}" for title, each in zip(titles, documents, strict=True))
        invocation.output.show({"sessions": list(documents)}, lambda: "\n\n".join(drawn))
    return code


def _show(invocation: Invocation) -> int | None:
    client = invocation.client
    return show_sessions(
        invocation,
        lambda path: cast("dict[str, Json]", client.get(path)),
        lambda session: drawn_with_engine(cast("Session", session)),
    )


COMMANDS = (Command("show", "show a session, or several", _show, takes_sessions),)
