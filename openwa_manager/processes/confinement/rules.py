"""What a confined program may do on Linux, as one table of rules: its own needs, and those of every program."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from openwa_manager.domain.isolation import Confinement
from openwa_manager.processes.confinement.landlock import ALL, Access, NetAccess, PathRule, PortRule
from openwa_manager.processes.confinement.programs import executed_with, installed_with

_READ = Access.READ_FILE | Access.READ_DIR
_READ_WRITE = Access.READ_FILE | Access.WRITE_FILE
_EXECUTE = Access.READ_FILE | Access.EXECUTE
#: All that can be done below a directory of one's own, but to execute and to make devices.
_OWN = ALL & ~(Access.EXECUTE | Access.MAKE_CHAR | Access.MAKE_BLOCK | Access.IOCTL_DEV)

#: What every program reads: libraries, certificates, names, time zones; how much memory and how many processors it has.
SYSTEM = (
    *("/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin", "/etc", "/proc"),
    *("/sys/devices/system/cpu", "/sys/fs/cgroup", "/var/lib/ca-certificates"),
    *("/nix/store", "/gnu/store", "/home/linuxbrew/.linuxbrew"),
)
DEVICES: Mapping[str, Access] = {
    "/dev/null": _READ_WRITE,
    "/dev/full": _READ_WRITE,
    "/dev/zero": Access.READ_FILE,
    "/dev/random": Access.READ_FILE,
    "/dev/urandom": Access.READ_FILE,
}
_RESOLVER = Path("/etc/resolv.conf")
#: What a directory is too large to be opened for the sake of one file in it.
_TOO_WIDE = frozenset(map(Path, ("/", "/run", "/var", "/var/run", "/mnt", "/tmp", "/home")))  # noqa: S108 not opened

Children = Callable[[Path], Collection[Path]]


def path_rules(confinement: Confinement, environ: Mapping[str, str]) -> Iterator[PathRule]:
    """Yield the rules about files; `environ` is the environment the program will have.

    Directories may be listed everywhere: programs look for their files by walking down from the top.
    """
    yield PathRule(path=Path("/"), access=Access.READ_DIR)
    for name, access in DEVICES.items():
        yield PathRule(path=Path(name), access=access)
    named = {path for each in confinement.programs for path in executed_with(each, environ)}
    programs = {_real(path) for path in named}
    roots = (*confinement.readable, *_resolver_places(), *installed_with(named | programs))
    own = {_real(root) for root in roots}
    for path in without_hidden(own | _system(), confinement.hidden, list_children):
        yield PathRule(path=path, access=_READ)
    for program in programs:
        yield PathRule(path=program, access=_EXECUTE)
    for directory in confinement.writable:
        yield PathRule(path=directory, access=_OWN, is_needed=True)


def port_rules(confinement: Confinement) -> Iterator[PortRule]:
    """Yield the rules about TCP ports, each port once."""
    bound, connected = _numbers(confinement.bind_ports), _numbers(confinement.connect_ports)
    for port in sorted(bound | connected):
        bind = NetAccess.BIND if port in bound else NetAccess(0)
        connect = NetAccess.CONNECT if port in connected else NetAccess(0)
        yield PortRule(port=port, access=bind | connect)


def without_hidden(roots: Iterable[Path], hidden: Collection[Path], children: Children) -> Iterator[Path]:
    """Yield the roots; in the place of one that holds something hidden, what lies in it and holds nothing hidden.

    A rule opens all below a directory, and none can close a part of it again.
    """
    pending = list(roots)
    while pending:
        root = pending.pop()
        if root in hidden:
            continue
        if any(each.is_relative_to(root) for each in hidden):
            pending.extend(children(root))
        else:
            yield root


def list_children(directory: Path) -> list[Path]:
    """Return what lies in a directory, but links, which would open what they point to."""
    try:
        with os.scandir(directory) as entries:
            return [Path(entry.path) for entry in entries if not entry.is_symlink()]
    except OSError:
        return []


@cache
def _system() -> frozenset[Path]:
    return frozenset(path for path in (_real(Path(name)) for name in SYSTEM) if path.exists())


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # a tenth of the time that Path.resolve takes


def _resolver_places() -> Iterator[Path]:
    """Yield where the list of name servers really is: its directory, since it is replaced whenever the network is."""
    target = _real(_RESOLVER)
    yield target if target.parent in _TOO_WIDE else target.parent


def _numbers(ranges: Iterable[range]) -> set[int]:
    return {port for each in ranges for port in each}
