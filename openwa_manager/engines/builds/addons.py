"""The native modules among a build's packages, and for which Node.js they were built; none of them is run."""

import re
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

from openwa_manager.engines.versions import open_plain

#: Where a module of C++ ends up, and how it says for which interface of Node.js it was built (node.h, NODE_MODULE).
_ADDONS: Final = ("*/build/Release/*.node", "@*/*/build/Release/*.node")
_BUILT_FOR = re.compile(rb"node_register_module_v([0-9]{2,4})")
_ADDONS_MAX: Final = 50
_ADDON_MAX_BYTES: Final = 64 << 20


def addons_in(tree: Path) -> Mapping[str, str]:
    """Return the number of the interface for which each native module was built, by its package; blocks.

    Modules that use Node-API fit every version, and are left out.
    """
    modules = tree / "node_modules"
    found: dict[str, str] = {}
    with suppress(OSError):  # a folder that may not be looked into
        for each in islice((each for pattern in _ADDONS for each in modules.glob(pattern)), _ADDONS_MAX):
            if (version := _interface_of(each)) is not None:
                found[each.parents[2].name] = version
    return found


def wrong_addons(built_for: Mapping[str, str], interface: str) -> str | None:
    """Return in words which native modules were built for another interface than this node's; None: all fit."""
    wrong = sorted(f"{name} for {version}" for name, version in built_for.items() if version != interface)
    return f"{', '.join(wrong)}; this node has interface {interface}" if wrong else None


def _interface_of(addon: Path) -> str | None:
    try:
        with open(addon, "rb", opener=open_plain) as file:
            match = _BUILT_FOR.search(file.read(_ADDON_MAX_BYTES))
    except OSError:
        return None
    return None if match is None else match[1].decode("ascii")
