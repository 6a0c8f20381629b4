"""Wall time in the two forms OpenWA writes it."""

import time


def iso_now(offset_s: float = 0.0) -> str:
    """Return UTC now (plus `offset_s` seconds) as `Date.toISOString()` does, with milliseconds."""
    total_ms = time.time_ns() // 1_000_000 + round(offset_s * 1000)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(total_ms // 1000))
    return f"{stamp}.{total_ms % 1000:03d}Z"


def iso_now_whole() -> str:
    """Return UTC now as OpenWA's SQLite columns hold it: whole seconds, written with `.000`."""
    return f"{iso_now()[:-4]}000Z"


def unix_now_s() -> int:
    """Return whole seconds since the epoch."""
    return time.time_ns() // 1_000_000_000


def unix_now() -> float:
    """Return seconds since the epoch, with their fraction."""
    return time.time_ns() / 1_000_000_000
