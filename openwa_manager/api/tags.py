"""The chapters of /openapi.json: what each is about, and which calls stand in it."""

from typing import Final

from openwa_manager.api.routing import Route
from openwa_manager.domain.values import dataclass


@dataclass(frozen=True, slots=True)
class Tag:
    """A chapter: the calls whose paths begin with one of `beginnings`, or go on with one below a session."""

    name: str
    description: str
    beginnings: tuple[str, ...] = ()
    below_session: tuple[str, ...] = ()

    def covers(self, path: str) -> bool:
        """Tell whether a call with this path stands here."""
        below = path.removeprefix(_SESSION)
        return path.startswith(self.beginnings) or (below != path and below.startswith(self.below_session))


_SESSION: Final = "/v1/sessions/{session_id}/"
_FORWARDED: Final = Tag("engine", "What a session's own OpenWA answers, as its documentation says.")
#: The first that covers a call is its chapter; the last covers every one.
_TAGS: Final = (
    Tag(
        "pairing",
        "Links a phone to a session: codes, and pages that show one.",
        ("/pair/", "/pair"),
        ("qr", "pairing-"),
    ),
    Tag(
        "messages",
        "Takes messages in, one by one or as batches, and tells what became of each.",
        ("/v1/messages", "/v1/batches"),
        ("messages", "batches", "queue"),
    ),
    Tag(
        "people",
        "Quotas of users, whom nobody may write to, and what is kept of one person.",
        ("/v1/users",),
        ("suppressions", "contacts"),
    ),
    Tag(
        "events",
        "What happened, and to whom it was told.",
        ("/v1/events", "/v1/endpoints", "/v1/deliveries"),
        ("events",),
    ),
    Tag("builds", "Installs builds of OpenWA, and moves sessions from one to another.", ("/v1/builds",)),
    Tag("access", "Who may do what, and who did what.", ("/v1/keys", "/v1/audit")),
    Tag("sessions", "Makes, starts, stops and deletes sessions, and explains them.", ("/v1/sessions", "/v1/registry")),
    Tag("gateway", "OpenWA's own API, answered for all sessions by this daemon.", ("/api/",)),
    Tag("host", "How the daemon and its host are.", ("/",)),
)
#: In the order in which they are read.
TAGS: Final = tuple(sorted((*_TAGS, _FORWARDED), key=lambda each: each.name))


def tag_of(each: Route) -> str:
    """Return the chapter that a call stands in."""
    if each.name.startswith("openwa_"):
        return _FORWARDED.name
    return next(tag.name for tag in _TAGS if tag.covers(each.path))
