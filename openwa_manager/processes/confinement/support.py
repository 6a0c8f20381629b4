"""What this system can forbid an engine, for those who decide and those who ask."""

import platform

from openwa_manager.domain.values import dataclass
from openwa_manager.processes.confinement import landlock, seatbelt, seccomp


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """How well engines can be kept apart here.

    `what` names the means, or says why there is none; `gaps` are what engines can do to each other nevertheless.
    """

    is_possible: bool
    what: str
    gaps: tuple[str, ...] = ()


def system_support() -> Support:
    """Return what this system can forbid."""
    match platform.system():
        case "Linux":
            return landlock_support(landlock.abi(), platform.machine())
        case "Darwin":  # pragma: no cover (macOS)
            is_here = seatbelt.SANDBOX_EXEC.exists()
            return Support(is_possible=is_here, what="sandbox-exec" if is_here else "sandbox-exec is missing")
        case other:  # pragma: no cover (other systems)
            return Support(is_possible=False, what=f"{other} has no means we know")


def landlock_support(abi: int, machine: str) -> Support:
    """Return what a Linux can forbid whose Landlock has this ABI (0: none)."""
    if not abi:
        return Support(
            is_possible=False,
            what="the kernel has no Landlock (Linux 5.13 or later), or does not let us use it",
        )
    gaps = (
        ("shorten each other's files" if abi < 3 else ""),
        ("connect to any port" if abi < landlock.PORTS_SINCE else ""),
        ("signal each other" if abi < landlock.SCOPES_SINCE else ""),
        ("" if seccomp.is_known(machine) else "change the modes of each other's files"),
    )
    return Support(is_possible=True, what=f"Landlock ABI {abi}", gaps=tuple(filter(None, gaps)))
