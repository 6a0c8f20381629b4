"""The types of events, as far as a mistyped one can be told from one that the engine has and we do not know."""

import argparse
from collections.abc import Mapping, Sequence

from openwa_manager.cli.parsing import nearest

#: The events that are ours, by what they are about (README, What your backend does).
_OURS: Mapping[str, Sequence[str]] = {
    "session": (
        *("qr", "status", "connected", "disconnected", "banned", "logged_out", "created", "crashed", "restarted"),
        *("failed", "stopped", "deleted", "restricted", "heartbeat"),
    ),
    "message": ("sent", "delivered", "read", "failed", "received", "revoked", "reaction", "edited"),
    "batch": ("progress", "completed"),
    "contact": ("opted_out",),
    "queue": ("held",),
    "manager": ("started", "stopping", "recovered"),
    "audit": ("head",),
    "delivery": ("dead_lettered",),
    "host": ("slept",),
}
#: What is handed on from the engine; which of these there are, it alone knows.
_ENGINES = ("group", "call", "presence", "status")


def event_type(text: str) -> str:
    """Return the type of an event, or a pattern such as `session.*`.

    Raises:
        argparse.ArgumentTypeError: there is none, and one that is there looks like it.
    """
    noun, _, rest = text.partition(".")
    if text == "*" or noun in _ENGINES or (noun in _OURS and (rest == "*" or rest in _OURS[noun])):
        return text
    known = [f"{each}.{verb}" for each, verbs in _OURS.items() for verb in (*verbs, "*")]
    if hint := nearest(text, known):
        raise argparse.ArgumentTypeError(f"there is no event {text!r}{hint}")
    return text
