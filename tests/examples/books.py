"""What the imaginary WhatsApp really got."""

import json
from contextlib import closing
from pathlib import Path

from tests.e2e.peers.daemon import Daemon, UnixConnection


def read_books(daemon: Daemon, session_id: str) -> list[dict[str, str]]:
    """Return what was sent by a session, in order."""
    with closing(UnixConnection(Path(daemon.session(session_id).text("socket")))) as connection:
        connection.request("GET", "/_sim/books")
        messages: list[dict[str, str]] = json.loads(connection.getresponse().read())["messages"]
    return messages
