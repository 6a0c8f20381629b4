"""Compiles what stands in for macOS: its headers' declarations, and its calls about processes."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
#: The declarations: the SDK's own where there is one.
_HEADERS = (
    ("libproc.h", "mach/mach_time.h", "stddef.h", "sys/resource.h", "sys/ucred.h")
    if sys.platform == "darwin"
    else (f"{_HERE}/headers.h",)
)
_FLAGS = ("-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror")


def run_c(program: str, directory: Path) -> str:
    """Return what a program in C prints; it sees the declarations of macOS's headers."""
    source, binary = directory / "program.c", directory / "program"
    source.write_text("\n".join(f'#include "{header}"' for header in (*_HEADERS, "stdio.h")) + f"\n{program}")
    _compile(source, binary)
    return subprocess.run([binary], check=True, capture_output=True, text=True, timeout=30).stdout


def build_libproc(directory: Path) -> Path:
    """Return a library with the calls."""
    return build_library(_HERE / "libproc.c", directory)


def build_library(source: Path, directory: Path) -> Path:
    """Return the library that is made of this source."""
    library = directory / "library.so"
    _compile(source, library, "-shared", "-fPIC")
    return library


def _compile(source: Path, binary: Path, *flags: str) -> None:
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    if compiler is None:
        pytest.skip("there is no C compiler (cc, gcc or clang) here")
    subprocess.run([compiler, *_FLAGS, *flags, "-o", binary, source], check=True, timeout=60)
