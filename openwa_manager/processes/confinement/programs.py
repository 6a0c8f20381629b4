"""Reads from a program's file what the kernel executes with it: the loader of a binary, the interpreter of a script."""

import os
import shutil
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

#: How much of a script's first line the kernel reads (linux/binfmts.h, BINPRM_BUF_SIZE), and how deep it follows.
_HEAD_BYTES = 256
_DEEPEST = 5
#: `Elf64_Ehdr` from e_phoff to e_phnum, and the head of `Elf64_Phdr` up to p_filesz (elf(5)), little endian as all
#: machines are that we know the calls of.
_PROGRAM_HEADERS = struct.Struct("<32xQ14xHH")
_PROGRAM_HEADER = struct.Struct("<IIQQQQ")
_PT_INTERP = 3
_ELF_64_LITTLE = b"\x7fELF\x02\x01"


def executed_with(program: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the program and whatever the kernel executes for it, such as its loader; each path as it is named there.

    Of `#!/usr/bin/env name` it is also the program of that name on the environment's PATH.
    """
    pending, depth = [program], 0
    while pending and depth < _DEEPEST:
        depth += 1
        following: list[Path] = []
        for path in pending:
            yield path
            following += _helpers(path, environ)
        pending = following


def installed_with(programs: Iterable[Path]) -> Iterator[Path]:
    """Yield the libraries that lie beside programs, and what makes a directory an environment of Python's."""
    for program in programs:
        if program.parent.name == "bin":
            yield program.parent.parent / "lib"
            yield program.parent.parent / "pyvenv.cfg"


def _helpers(path: Path, environ: Mapping[str, str]) -> list[Path]:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            if head.startswith(b"#!"):
                return _interpreters(head, environ)
            loader = _loader(file.fileno(), head) if head.startswith(_ELF_64_LITTLE) else None
    except (OSError, OverflowError, struct.error):  # a head that only looks like one
        return []
    return [] if loader is None else [loader]


def _interpreters(head: bytes, environ: Mapping[str, str]) -> list[Path]:
    words = os.fsdecode(head[2:].partition(b"\n")[0]).split()
    if not words:
        return []
    found = [Path(words[0])]
    if found[0].name == "env":
        names = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
        named = shutil.which(names[0], path=environ.get("PATH")) if names else None
        found += [Path(named)] if named else []
    return found


def _loader(fd: int, head: bytes) -> Path | None:
    offset, size, count = _PROGRAM_HEADERS.unpack_from(head)
    for index in range(count):
        kind, _, place, _, _, length = _PROGRAM_HEADER.unpack_from(os.pread(fd, size, offset + index * size))
        if kind == _PT_INTERP:
            return Path(os.fsdecode(os.pread(fd, length, place).rstrip(b"\0")))
    return None
