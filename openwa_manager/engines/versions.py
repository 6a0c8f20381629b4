"""What which OpenWA can: the version that brought it, and what a build says of itself (docs/openwa.md, Versions)."""

import errno
import os
import re
import shlex
import stat
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from enum import Enum
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, Field

from openwa_manager.domain import foreign_json
from openwa_manager.domain.messaging.retries import KEYS_SINCE
from openwa_manager.domain.values import dataclass

Version = tuple[int, int, int]
ModelT = TypeVar("ModelT", bound=BaseModel)

#: The oldest and the newest OpenWA that were run with this program.
TESTED: tuple[Version, Version] = ((0, 11, 0), (0, 23, 1))

_VERSION = re.compile(r"v?(\d{1,6})\.(\d{1,6})\.(\d{1,6})")
_AT_LEAST = re.compile(r">=\s*(\d{1,6})(?:\.(\d{1,6}))?(?:\.(\d{1,6}))?")
#: The Node.js that a build needs which does not say it, by the version from which on that is so; the newest first.
_NODE_OLDEST: Mapping[Version, Version] = {(0, 23, 6): (22, 19, 0), (0, 0, 0): (22, 13, 0)}
#: A build's own files are small: `package.json` 7 kB, `openapi.json` 0.6 MB.
_FILE_MAX_BYTES = 16 << 20


class Capability(Enum):
    """What not every OpenWA can; the values are read by people."""

    LOG_OUT = "unlinking a device"
    DOUBLING_RETRIES = "pauses between the tries of a webhook that double"
    IDEMPOTENCY_KEYS = "idempotency keys for messages"
    REDRIVE = "posting again what a webhook missed"


@dataclass(frozen=True, slots=True)
class _Origin:
    """The version that brought a capability, and the route by which a build shows it (None: none does)."""

    since: Version
    route: str | None = None


CAPABILITIES: Mapping[Capability, _Origin] = {
    Capability.LOG_OUT: _Origin((0, 12, 0), "/api/sessions/{sessionId}/logout"),
    Capability.DOUBLING_RETRIES: _Origin((0, 24, 0)),
    Capability.IDEMPOTENCY_KEYS: _Origin((*KEYS_SINCE, 0)),
    Capability.REDRIVE: _Origin((0, 25, 0), "/api/webhooks/delivery-failures/redrive"),
}

#: What every OpenWA since 0.11 can post of what we listen to; for one that refuses `*`.
EVENTS_OF_ALL = (
    "message.received",
    "message.ack",
    "message.revoked",
    "message.reaction",
    "message.edited",
    "status.received",
    "session.status",
    "session.qr",
    "session.authenticated",
    "session.disconnected",
    "session.reconnect_loop",
    "group.join",
    "group.leave",
    "group.update",
    "call.received",
)

#: All events that 0.23 or a later version knows, as far as we heard of them (docs/openwa.md, Webhooks, Versions).
EVENTS = frozenset(
    {
        *EVENTS_OF_ALL,
        "message.sent",
        "message.failed",
        "session.restriction",
        "presence.update",
        "group.join_request",
        "call.accepted",
        "call.rejected",
        "call.missed",
        "event.response",
        "poll.vote",
        "message.receipt",
    }
)

#: How often an event is posted to us in all, and for how long at least: longer than a restart of ours takes.
WEBHOOK_TRIES, _WEBHOOK_SPAN_MS = 5, 130_000


class _Engines(BaseModel, defer_build=True):
    node: str = ""


class _Package(BaseModel, defer_build=True):
    version: str = ""
    engines: _Engines = Field(default_factory=_Engines)


class _OpenApi(BaseModel, defer_build=True):
    paths: dict[str, object] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredBuild:
    """What an OpenWA build says of itself: its version (None: nothing we understand) and the Node.js it needs."""

    version: Version | None = None
    oldest_node: Version = _NODE_OLDEST[0, 0, 0]


def parsed(text: str) -> Version | None:
    """Return a version such as `0.25.1`; what follows it does not count. None for anything else."""
    match = _VERSION.match(text)
    return None if match is None else (int(match[1]), int(match[2]), int(match[3]))


def shown(version: Version) -> str:
    """Return a version as people write it."""
    return ".".join(map(str, version))


def how_to_build(tree: Path) -> str:
    """Return what gives a host a build of OpenWA where this folder has none: sources there are built, else a release.

    Blocks.
    """
    there, newest = build_in(tree).version, shown(TESTED[1])
    source, name = (newest, newest) if there is None else (shlex.quote(str(tree)), shown(there))
    return f"openwa-manager engine install {source}, then openwa-manager engine use {name}"


def can(capability: Capability, version: Version | None, routes: AbstractSet[str] | None = None) -> bool:
    """Tell whether an OpenWA of this version can do it; one that does not tell its version cannot.

    `routes` are those of its `openapi.json` (None: not read). Where they tell, they say it better than a number.
    """
    origin = CAPABILITIES[capability]
    if routes is not None and origin.route is not None:
        return origin.route in routes
    return version is not None and version >= origin.since


def build_in(home: Path) -> DeclaredBuild:
    """Return what `package.json` in an OpenWA checkout says; the oldest we know stands for one that says nothing."""
    package = _read(home / "package.json", _Package) or _Package()
    version = parsed(package.version)
    floor = next(node for since, node in _NODE_OLDEST.items() if (version or (0, 0, 0)) >= since)
    match = _AT_LEAST.match(package.engines.node)
    if match is not None:
        floor = int(match[1]), int(match[2] or 0), int(match[3] or 0)
    return DeclaredBuild(version=version, oldest_node=floor)


def routes_in(home: Path) -> AbstractSet[str] | None:
    """Return the routes that `openapi.json` in an OpenWA checkout lists; None when it cannot be read."""
    description = _read(home / "openapi.json", _OpenApi)
    return None if description is None else description.paths.keys()


def webhook_delay_ms(version: Version | None) -> int:
    """Return the pause after the first try with which all tries of a webhook span what we need, in milliseconds.

    Up to 0.23 OpenWA waits delay x n after try n, since 0.24 delay x 2^(n-1).
    """
    pauses = range(1, WEBHOOK_TRIES)
    doubles = can(Capability.DOUBLING_RETRIES, version)
    return -(-_WEBHOOK_SPAN_MS // sum(2 ** (number - 1) if doubles else number for number in pauses))


def _read(path: Path, shape: type[ModelT]) -> ModelT | None:
    try:
        with open(path, "rb", opener=open_plain) as file:
            return shape.model_validate(foreign_json.parse(file.read(_FILE_MAX_BYTES), max_values=None))
    except (OSError, ValueError):
        return None


def open_plain(path: str, flags: int) -> int:
    """Open a plain file, as the `opener` of `open`, and nothing whose other end would be waited for."""
    number = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
    with ExitStack() as unless_returned:
        unless_returned.callback(os.close, number)
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise OSError(errno.EINVAL, "Not a plain file", path)
        unless_returned.pop_all()
    return number
