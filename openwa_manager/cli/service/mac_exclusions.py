"""Keeps Spotlight and Time Machine away from the sessions.

Their directories hold credentials that change with every message. An index tells strangers of them. A copy that is put
back later is worse than none: WhatsApp sees keys that were used already, and logs the account out.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

#: Spotlight passes over a directory in which such a file lies.
UNINDEXED: Final = ".metadata_never_index"


def exclusion_of(path: Path, *, is_fixed: bool) -> Sequence[str]:
    """Return what has Time Machine pass over a path (tmutil(8)); `is_fixed`: whatever lies there, as root may ask."""
    return ("tmutil", "addexclusion", *(["-p"] if is_fixed else []), str(path))
