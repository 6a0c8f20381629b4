"""Takes out of the facts what says who or where somebody is: they are made to be sent to others."""

import os
import pwd
import re
import socket
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

#: A name that is no longer than this, or that every host knows, says nothing of anybody.
_NAME_MIN_CHARS = 2
_COMMON_NAMES = frozenset({"root", "localhost"})
#: An absolute path, as an error may name it, but no part of one that was replaced.
_PATH = re.compile(r"(?<![\w<>~./-])/[\w.@+-]+(?:/[\w.@+-]*)*")


def personal_texts() -> dict[str, str]:
    """Return what is personal here, and what is put in its place: paths, the user's name, the host's."""
    places = {os.path.expanduser("~"): "~", tempfile.gettempdir(): "<tmp>"}  # noqa: PTH111 it may be unknown
    paths = {spelling: mark for place, mark in places.items() for spelling in (place, os.path.realpath(place))}
    hostname = socket.gethostname()
    names = {hostname: "<host>", hostname.partition(".")[0]: "<host>", **dict.fromkeys(_user_names(), "<user>")}
    return {text: mark for text, mark in (paths | names).items() if _says_something(text)}


def without_personal(value: "Json", texts: Mapping[str, str]) -> "Json":
    """Return the facts with these texts replaced wherever they stand as a whole word, and all other absolute paths."""
    match value:
        case str():
            for text in sorted(texts, key=len, reverse=True):
                value = re.sub(rf"(?<![A-Za-z0-9]){re.escape(text)}(?![A-Za-z0-9])", texts[text], value)
            return _PATH.sub("<path>", value)
        case Mapping():
            return {name: without_personal(each, texts) for name, each in value.items()}
        case Sequence():
            return [without_personal(each, texts) for each in value]
        case _:
            return value


def _says_something(name: str) -> bool:
    return len(name) > _NAME_MIN_CHARS and name not in _COMMON_NAMES


def _user_names() -> set[str]:
    """Return the names that the environment and the system's list of users give us."""
    names = {os.environ.get(variable, "") for variable in ("LOGNAME", "USER")}
    with suppress(KeyError):  # a number without a name
        names.add(pwd.getpwuid(os.getuid()).pw_name)
    return names
