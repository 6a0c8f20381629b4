"""The profile under which `sandbox-exec` runs a program on macOS: what is not allowed in it is denied.

Written from the profiles that come with the system (/System/Library/Sandbox/Profiles) and sandbox-exec(1).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from openwa_manager.domain.isolation import Confinement
from openwa_manager.host.user_paths import spelled_on_disk
from openwa_manager.processes.confinement.programs import executed_with, installed_with

SANDBOX_EXEC = Path("/usr/bin/sandbox-exec")

#: What every program needs: `system.sb` opens the system's own libraries and services.
_EVERY_PROGRAM = """\
(version 1)
(deny default)
(import "system.sb")
(allow process-fork)
(allow signal (target same-sandbox))
(allow sysctl-read)
(allow file-read-metadata)
(allow file-read-data (vnode-type DIRECTORY))
(allow system-socket)
(allow network-outbound (remote udp) (literal "/private/var/run/mDNSResponder"))
(allow network-bind (local udp))"""
_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/System", "/Library", "/private/etc", "/private/var/db/timezone", "/private/var/run"),
    *("/opt/homebrew", "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"),
)


def argv_of(confinement: Confinement, argv: Sequence[str], environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return how to run the program confined; `environ` is the environment it will have."""
    return (str(SANDBOX_EXEC), "-p", profile(confinement, environ), *argv)


def profile(confinement: Confinement, environ: Mapping[str, str]) -> str:
    """Return the profile; of two rules about one thing the later one counts."""
    named = {path for each in confinement.programs for path in executed_with(each, environ)}
    programs = sorted({spelled_on_disk(path) for path in named})
    readable = [*map(Path, _SYSTEM), *confinement.readable, *programs, *sorted(installed_with({*named, *programs}))]
    lines = [
        _EVERY_PROGRAM,
        _rule("allow file-read*", _below(readable)),
        _rule("deny file-read-data", _below(confinement.hidden)),
        _rule("allow file-read*", _below([*_inside(readable, confinement.hidden), *confinement.writable])),
        _rule("allow file-write*", [*_below(confinement.writable), '(literal "/dev/null")']),
        _rule("allow process-exec", _below(programs)),
        _rule("allow network-bind network-inbound", _unix(confinement.writable)),
        _rule("allow network-outbound", _ports("remote", confinement.connect_ports)),
        _rule("allow network-bind network-inbound", _ports("local", confinement.bind_ports)),
    ]
    return "\n".join(line for line in lines if line)


def _rule(what: str, targets: Iterable[str]) -> str:
    listed = " ".join(targets)
    return f"({what} {listed})" if listed else ""


def _below(paths: Iterable[Path]) -> Iterator[str]:
    """Name what lies in these; the system follows links before it compares, and then spells as the disk does."""
    return (f"(subpath {_quoted(spelled_on_disk(path))})" for path in paths)


def _unix(directories: Iterable[Path]) -> Iterator[str]:
    return (f"(local unix-socket (subpath {_quoted(spelled_on_disk(path))}))" for path in directories)


def _inside(paths: Iterable[Path], hidden: Iterable[Path]) -> list[Path]:
    """Return those that lie in something hidden and are to be read nevertheless, as a build in the home is."""
    places = tuple(map(spelled_on_disk, hidden))
    return [path for path in map(spelled_on_disk, paths) if any(each in path.parents for each in places)]


def _ports(side: str, ranges: Iterable[range]) -> Iterator[str]:
    return (f'({side} tcp "*:{port}")' for each in ranges for port in each)


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
