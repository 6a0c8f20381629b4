"""What the daemon does about its memory: it gives back what was large, and collects no garbage where there is none."""

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

#: The numbers of glibc's malloc.h, and what is set. Left alone, glibc raises both thresholds with the largest block
#: ever freed and makes up to eight heaps a processor: large blocks then lie among small ones that hold them in place.
#: Under the attacks of `make soak ARGS=--hostile` that came to 262 MB after 5 minutes, with these values to 151.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGE_BYTES, _HEAP_COUNT = 128 * 1024, 2


def keep_compact() -> None:
    """Have blocks of 128 KiB and more given back once they are free; call it before there are threads.

    Does nothing where that is not glibc's to decide: musl and macOS do it unasked.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _HEAP_COUNT)
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _LARGE_BYTES)


@contextmanager
def without_collection() -> Iterator[None]:
    """Let nobody look for garbage while the body imports: it would find none, and takes a tenth of the time."""
    put_off_collection()
    try:
        yield
    finally:
        begin_collection()


def put_off_collection() -> None:
    """Let nobody look for garbage until `begin_collection`: while much is made that stays, it is looked at in vain."""
    gc.disable()


def begin_collection() -> None:
    """Look for garbage from now on, but never at what there is now.

    A collection that looks at all that is loaded would stop the event loop for 20 to 50 ms, and with 1,000 sessions for
    200. What has become garbage while nobody looked stays.
    """
    gc.freeze()
    gc.enable()
