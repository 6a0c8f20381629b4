"""What the host itself lacks for a while: nobody is to blame for it, and trying again later helps."""

import errno

_PASSING = frozenset(
    {
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.EAGAIN,
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EADDRNOTAVAIL,  # of a connection to loopback: no ephemeral port is left
    }
)


def is_shortage(error: BaseException | None) -> bool:
    """Tell whether files, memory, processes, ports or disk ran out, as the error, its causes or all its parts say."""
    match error:
        case None:
            return False
        case BaseExceptionGroup():
            return all(is_shortage(part) for part in error.exceptions)
        case OSError(errno=number) if number in _PASSING:
            return True
        case _:
            return is_shortage(error.__cause__)
