"""One thing that was looked at, and what is said of it."""

from typing import Literal, NamedTuple

#: `fail`: it does not work until somebody acts. `warn`: it works less well than it could, or waits. `ok`: it is well.
Level = Literal["ok", "warn", "fail"]

#: The subject of what concerns the whole host.
HOST = "host"


class Finding(NamedTuple):
    """One thing that was looked at.

    `code` is stable; `subject` is a session, an endpoint (`endpoint default`) or the host. `cure` is what to do, in one
    line; None: nothing is to be done.
    """

    code: str
    level: Level
    detail: str
    cure: str | None = None
    subject: str = HOST
