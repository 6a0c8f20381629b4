"""The worlds of all pages. Each module here has those of one area, so that pages of different areas grow apart.

A module has `WORLDS`, by page, and `PENDING`: pages that are not yet held to what `tests/pages/test_pages.py` asks, and
what they lack. A page is in one of the two.
"""

import importlib
import pkgutil
from collections.abc import Iterator

from tests.pages.world import World


def _modules() -> Iterator[tuple[dict[str, World], dict[str, str]]]:
    for found in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{found.name}")
        yield module.WORLDS, module.PENDING


WORLDS: dict[str, World] = {}
PENDING: dict[str, str] = {}
#: Pages that two modules name.
TWICE: list[str] = []
for _worlds, _pending in _modules():
    TWICE += [page for page in (*_worlds, *_pending) if page in WORLDS or page in PENDING]
    WORLDS |= _worlds
    PENDING |= _pending
TWICE += [page for page in WORLDS if page in PENDING]
