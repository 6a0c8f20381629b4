"""Says how many connections each listener lets in, and how long a caller may take over each part of a request."""

import resource
from pathlib import Path
from typing import Self

from openwa_manager.domain.values import dataclass

#: The parts that the descriptors not yet used are shared out in: one for the control plane's TCP listener, one for its
#: unix socket, one for the engines' posts, one for our own connections to engines and endpoints.
_PARTS = 4
#: However few descriptors there are, so many connections are let in by each listener.
_LEAST = 4
#: More than a backend, a dashboard and a proxy hold together; what strangers hold, they give up for others.
_MOST = 256
#: More descriptors than we ever share out.
_DESCRIPTORS_MAX = 10_000
#: How many connections of one address may be without a known caller: browsers open 6, a test tool 10 to 20.
_STRANGERS_PER_ADDRESS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """How many connections the control plane, the unix socket beside it, and the intake may have at once.

    `strangers_per_address` is how many of one address may be without a known caller.
    """

    control: int = _MOST
    socket: int = _MOST
    intake: int = _MOST
    strangers_per_address: int = _STRANGERS_PER_ADDRESS

    @classmethod
    def within(cls, free_count: int) -> Self:
        """Return the limits for so many descriptors that are not used yet."""
        part = min(_MOST, max(_LEAST, free_count // _PARTS))
        return cls(control=part, socket=part, intake=part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long a caller may take: for the head of each request, between two of them, and to read what it is sent.

    `idle_s` behind a proxy must be longer than the proxy keeps its connections (nginx 60 s, Go's and cloudflared's
    90 s): one that we close while the proxy sends a request on it is a failure for somebody who did nothing wrong.
    `look_s` is how often it is looked for those that take longer.
    """

    head_s: float = 10.0
    idle_s: float = 30.0
    reading_s: float = 30.0
    look_s: float = 1.0

    @classmethod
    def behind_proxy(cls) -> Self:
        """Return how patient we are with a proxy, which keeps connections for those behind it."""
        return cls(idle_s=120.0)


def free_descriptor_count() -> int:
    """Return how many descriptors this process may still open, as far as the system tells how many it has open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _DESCRIPTORS_MAX if soft == resource.RLIM_INFINITY else soft
    try:
        return limit - sum(1 for _ in Path("/dev/fd").iterdir())
    except OSError:  # a container without /proc
        return limit
