"""What a line of the table of trouble consists of."""

from enum import StrEnum
from typing import NamedTuple

from openwa_manager.domain.diagnosis.findings import Level


class Symptom(StrEnum):
    """What people see first."""

    NO_CODE = "QR never appears"
    CREATING = "Session shows `creating` forever"
    NOT_SENDING = "Messages not sending"
    MEDIA = "Media not delivered"
    FAILURES = "High failure rate"
    BANNED = "Number banned or unlinked"
    NO_EVENTS = "The backend hears nothing"
    HOST = "The daemon or its engines do not start, or do not stay"
    NONE = "Nothing is wrong"


class FindingEntry(NamedTuple):
    """One line of the table; `cure` None: nothing is to be done."""

    symptom: Symptom
    level: Level
    finding: str
    cure: str | None
