"""The doctor's check of OpenWA's folder that only a person's own has: a `.env` that nobody reads."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from openwa_manager.domain.diagnosis.findings import Finding
from openwa_manager.domain.diagnosis.table import found
from openwa_manager.domain.printable import printable

_NAME = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]{0,63})\s*=")
_FILE_MAX_BYTES: Final = 65_536
_SHOWN_MAX: Final = 8


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
