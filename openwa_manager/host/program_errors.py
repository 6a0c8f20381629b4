"""Says what to do about a program that the system does not start."""

import errno

#: macOS: the program is for processors of another kind (sys/errno.h); no other system has this number for execve(2).
_EBADARCH = getattr(errno, "EBADARCH", 86)

#: By errno; `{program}` is what was to be run.
_ADVICE = {
    errno.ENOENT: "{program} was not found (or the interpreter in its first line); check the path and PATH",
    errno.ENOTDIR: "{program} was not found: a part of its path is not a directory; check the path",
    errno.EACCES: "{program} may not be executed; make it executable (chmod +x) and its directories searchable",
    errno.ENOEXEC: "{program} is not a program for this machine; a script needs a first line like #!/bin/sh",
    errno.E2BIG: "the arguments and environment for {program} are too long together; shorten the session's env",
    _EBADARCH: "{program} is built for another processor; install the build for this Mac (`uname -m` names its kind: "
    "arm64 is Apple silicon, x86_64 Intel), or on Apple silicon Rosetta: softwareupdate --install-rosetta",
}


def advice_on(number: int | None, program: str) -> str | None:
    """Return what to do when starting this program fails with this errno; None when there is nothing to be said."""
    advice = _ADVICE.get(number or 0)
    return None if advice is None else advice.format(program=program)
