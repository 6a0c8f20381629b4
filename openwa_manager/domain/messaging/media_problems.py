"""Why media could not be had: the words that are kept of it, and what kind of problem they tell of.

A message keeps only a code and words for people. Both the words and what is made of them stand here, so that they
agree.
"""

from enum import Enum
from typing import Final

UNKNOWN_NAME: Final = "the name of its server is not known"
NOT_PUBLIC: Final = "is not a public address"
NONE_PUBLIC: Final = "has no public address"
ANSWERED: Final = "its server answered with status"
#: Begin, or are, the words about a file that came but cannot be sent.
TOO_LARGE, EMPTY, WRONG_TYPE = "it is larger than", "it is empty", "the file is "


class MediaProblem(Enum):
    """What has to be mended."""

    UNRESOLVED = "unresolved"
    PRIVATE = "private"
    REFUSED = "refused"
    UNFIT = "unfit"
    UNREACHABLE = "unreachable"


def problem_in(detail: str) -> MediaProblem:
    """Return what kind of problem these words tell of."""
    if UNKNOWN_NAME in detail:
        return MediaProblem.UNRESOLVED
    if NOT_PUBLIC in detail or NONE_PUBLIC in detail or "localhost" in detail:
        return MediaProblem.PRIVATE
    if ANSWERED in detail:
        return MediaProblem.REFUSED
    if detail.startswith((TOO_LARGE, EMPTY, WRONG_TYPE)):
        return MediaProblem.UNFIT
    return MediaProblem.UNREACHABLE
