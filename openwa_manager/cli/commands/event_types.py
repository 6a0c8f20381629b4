"""The types of events, as far as a mistyped one can be told from one that the engine has and we do not know."""

import argparse

from openwa_manager.cli.parsing import nearest

#: What is handed on from the engine; which of these there are, it alone knows.
_ENGINES = ("group", "call", "presence", "status")


def event_type(text: str) -> str:
    """Return the type of an event, or a pattern such as `session.*`.

    Raises:
        argparse.ArgumentTypeError: there is none, and one that is there looks like it.
    """
    from openwa_manager.domain.delivery.event_types import EVENT_TYPES

    ours = [name for name in EVENT_TYPES if not name.endswith("*")]
    known = [*ours, *dict.fromkeys(f"{name.partition('.')[0]}.*" for name in ours)]
    if text == "*" or text in known or text.partition(".")[0] in _ENGINES:
        return text
    if hint := nearest(text, known):
        raise argparse.ArgumentTypeError(f"there is no event {text!r}{hint}")
    return text
