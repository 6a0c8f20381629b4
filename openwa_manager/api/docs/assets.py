"""The files that the pages ask for, named by what is in them: a browser may keep them for ever."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import field
from functools import cache
from importlib import resources
from typing import Final

from openwa_manager.api.docs.markdown import ADDRESS
from openwa_manager.domain.values import dataclass

#: May be kept, but is asked for again each time: the next daemon may have another.
REVALIDATED: Final = "no-cache"
#: Is of this one request.
NEVER_KEPT: Final = "no-store"
_KEPT: Final = "public, max-age=31536000, immutable"
_TYPES: Final[Mapping[str, str]] = {
    "docs.css": "text/css",
    "docs.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
#: What is smaller gains nothing.
_PACKED_FROM_BYTES: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """What is answered with 200: as it is, and packed (None: that is not worth it)."""

    body: bytes
    content_type: str
    cache: str = REVALIDATED
    status: int = 200
    packed: bytes | None = field(init=False)
    tag: str = field(init=False)

    @property
    def has_tag(self) -> bool:
        """Tell whether a browser that has it may ask whether it is still the same."""
        return self.cache != NEVER_KEPT

    def __post_init__(self) -> None:
        is_large = len(self.body) >= _PACKED_FROM_BYTES
        object.__setattr__(self, "packed", gzip.compress(self.body, mtime=0) if is_large else None)
        object.__setattr__(self, "tag", hashlib.sha256(self.body).hexdigest()[:32])


@cache
def assets() -> Mapping[str, File]:
    """Return the files by their names, which have a part of their hash in the middle."""
    found = {}
    for name, content_type in _TYPES.items():
        file = File(body=page_file(name).encode(), content_type=content_type, cache=_KEPT)
        begin, _, end = name.partition(".")
        found[f"{begin}.{file.tag[:16]}.{end}"] = file
    return found


@cache
def asset_addresses() -> Mapping[str, str]:
    """Return where each file is, by its name without the hash."""
    return {f"{name.split('.')[0]}.{name.split('.')[2]}": f"{ADDRESS}/assets/{name}" for name in assets()}


@cache
def page_file(name: str) -> str:
    """Return a file of the folder `page`."""
    return (resources.files(__package__) / "page" / name).read_text("utf-8")
