"""Tells errors of a host that is short of something for a while: trying again later helps."""

import errno
from collections.abc import Mapping

from openwa_manager.domain.session.reasons import HostLimit

#: errno -> what the host has run out of.
_LIMITS: Mapping[int, HostLimit] = {
    errno.EMFILE: HostLimit.OPEN_FILES,
    errno.ENFILE: HostLimit.OPEN_FILES,
    errno.ENOMEM: HostLimit.MEMORY,
    errno.EAGAIN: HostLimit.PROCESSES,  # of fork(2): RLIMIT_NPROC, or the cgroup's limit
    errno.ENOSPC: HostLimit.DISK,
    errno.EDQUOT: HostLimit.DISK_QUOTA,
    errno.EADDRNOTAVAIL: HostLimit.LOCAL_PORTS,  # of a connection to loopback: no ephemeral port is left
}


def is_host_limit(error: BaseException | None) -> bool:
    """Tell whether files, memory, processes, ports or disk ran out, as the error, its causes or all its parts say."""
    return limit_of(error) is not None


def limit_of(error: BaseException | None) -> HostLimit | None:
    """Return what ran out, as the error, its causes or all its parts say; None when nothing did."""
    match error:
        case None:
            return None
        case BaseExceptionGroup():
            limits = [limit_of(part) for part in error.exceptions]
            return limits[0] if None not in limits else None
        case OSError(errno=int() as number) if number in _LIMITS:
            return _LIMITS[number]
        case _:
            return limit_of(error.__cause__)
