"""The table of what may be wrong: by which symptom people meet it, what it is, and its cure in one line.

The doctor's words and the page about trouble are made of it. `{…}` are filled in where it is found.
"""

from collections.abc import Mapping
from typing import Final

from openwa_manager.domain.diagnosis.entries import FindingEntry
from openwa_manager.domain.diagnosis.findings import HOST, Finding
from openwa_manager.domain.diagnosis.outside_entries import ENDPOINT, HOST_ENTRIES
from openwa_manager.domain.diagnosis.session_entries import SESSION

#: Every finding whose words are made here, by its code.
TABLE: Final[Mapping[str, FindingEntry]] = {**SESSION, **ENDPOINT, **HOST_ENTRIES}


def found(code: str, subject: str = HOST, **facts: object) -> Finding:
    """Return the finding of this code about a subject; `facts` fill in what its words leave open."""
    entry = TABLE[code]
    values = {"subject": subject, **facts}
    cure = None if entry.cure is None else entry.cure.format_map(values)
    return Finding(code, entry.level, entry.finding.format_map(values), cure, subject)
