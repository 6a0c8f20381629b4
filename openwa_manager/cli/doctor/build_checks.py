"""The doctor's checks of OpenWA's folder: a `.env` that nobody reads, and native modules of another Node.js."""

import re
import subprocess
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from openwa_manager.domain.diagnosis.findings import Finding
from openwa_manager.domain.diagnosis.table import found
from openwa_manager.domain.printable import printable

_NAME = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]{0,63})\s*=")
_FILE_MAX_BYTES: Final = 65_536
_SHOWN_MAX: Final = 8
#: Where a module of C++ ends up, and how it says for which interface of Node.js it was built (node.h, NODE_MODULE).
_ADDONS: Final = ("*/build/Release/*.node", "@*/*/build/Release/*.node")
_BUILT_FOR = re.compile(rb"node_register_module_v([0-9]{2,4})")
_ADDONS_MAX: Final = 50
_ADDON_MAX_BYTES: Final = 64 << 20
_ASK_S: Final = 10.0


def env_findings(openwa_home: Path) -> Iterator[Finding]:
    """Yield the names that stand in OpenWA's own `.env`: engines run in their sessions' directories, and read none.

    No value is ever told.
    """
    path = openwa_home / ".env"
    try:
        with path.open("rb") as file:
            text = file.read(_FILE_MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return
    names = sorted({match[1] for line in text.splitlines() if (match := _NAME.match(line))})
    if not names:
        return
    shown = ", ".join(names[:_SHOWN_MAX]) + (f" and {len(names) - _SHOWN_MAX} more" if len(names) > _SHOWN_MAX else "")
    yield found("env_unread", detail=printable(f"{path}: {shown}"))


def addon_findings(openwa_home: Path, interface: str | None) -> Iterator[Finding]:
    """Yield whether the native modules fit the node that engines get; `interface` None: it does not tell.

    Modules that use Node-API fit every version. None is run here: whoever asks may be root.
    """
    if interface is None:
        return
    modules = openwa_home / "node_modules"
    addons = list(islice((each for pattern in _ADDONS for each in modules.glob(pattern)), _ADDONS_MAX))
    built = {addon: version for addon in addons if (version := _interface_of(addon)) is not None}
    wrong = [f"{each.parents[2].name} for {version}" for each, version in built.items() if version != interface]
    if wrong:
        yield found("node_addon", detail=printable(f"{', '.join(sorted(wrong))}; this node has interface {interface}"))
    elif built:
        yield found("node_addon_well", detail=f"native modules fit this node (interface {interface})")


def interface_of(node: Path) -> str | None:
    """Return the number of the interface for native modules that this node has; None when it does not tell."""
    argv = (str(node), "-p", "process.versions.modules")
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_ASK_S)  # noqa: S603 (the admin's node)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    answer = done.stdout.strip()
    return answer if answer.isdecimal() else None


def _interface_of(addon: Path) -> str | None:
    try:
        with addon.open("rb") as file:
            match = _BUILT_FOR.search(file.read(_ADDON_MAX_BYTES))
    except OSError:
        return None
    return None if match is None else match[1].decode("ascii")
