"""Asks macOS's kernel for its named values; the library that has the calls may be another one that answers the same."""

import ctypes
from ctypes import byref, c_char_p, c_int, c_size_t, c_void_p
from functools import cache
from pathlib import Path

_TEXT_MAX_BYTES = 64


def load_library(path: Path | None = None) -> ctypes.CDLL:
    """Return a library for calls that set errno; None: what this program is linked with, on macOS all of libSystem."""
    return ctypes.CDLL(None if path is None else str(path), use_errno=True)


class SystemValues:
    """The values of one library's `sysctlbyname`; raises OSError where the kernel has none of that name."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        library.sysctlbyname.argtypes = (c_char_p, c_void_p, c_void_p, c_void_p, c_size_t)

    def text(self, name: str) -> str:
        """Return a value that is text."""
        told = ctypes.create_string_buffer(_TEXT_MAX_BYTES)
        self._read(name, told)
        return told.value.decode("ascii")

    def number(self, name: str) -> int:
        """Return a value that is an `int`."""
        told = c_int()
        self._read(name, told)
        return told.value

    def _read(self, name: str, told: "ctypes.Array[ctypes.c_char] | c_int") -> None:
        size = c_size_t(ctypes.sizeof(told))
        if self._library.sysctlbyname(name.encode("ascii"), byref(told), byref(size), None, 0) != 0:
            raise OSError(ctypes.get_errno(), f"{name} cannot be read")


@cache
def system_values() -> SystemValues:  # pragma: no cover (macOS)
    """Return the values of this system."""
    return SystemValues(load_library())
