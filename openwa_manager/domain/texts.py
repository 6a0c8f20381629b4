"""How long texts may be that come from outside (the types that carry one cut it when made), and our names in words."""

import re

#: Of a name, a number, a code or an id; WhatsApp's own names end at 25 characters.
NAME_MAX = 256
#: Of a sentence that says what happened.
DETAIL_MAX = 1000


def cut(record: object, **limits: int) -> None:
    """Shorten these fields of a record that is just being made; None stays None."""
    for name, max_chars in limits.items():
        value = getattr(record, name)
        if value is not None and len(value) > max_chars:
            object.__setattr__(record, name, value[:max_chars])


_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def plain(name: str) -> str:
    """Return the name of a class as people would say it: `ServerDisconnectedError` is `server disconnected`."""
    return _HUMP.sub(" ", name.removesuffix("Error")).lower()


def in_words(error: Exception) -> str:
    """Return what an error says, without the class and the number in front of it; one that says nothing is named."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return said or named(error)


def named(error: BaseException) -> str:
    """Return what kind of error this is, and nothing of what it says."""
    return plain(type(error).__name__)
