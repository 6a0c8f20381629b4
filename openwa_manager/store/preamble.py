"""What is written before all else in each group of writes."""

import sqlite3
from typing import Protocol


class Preamble(Protocol):
    """What is to be on disk no later than whatever else is written; it is asked on the database's thread."""

    def has_rows(self) -> bool:
        """Tell whether there is something to write now."""
        ...

    def write(self, connection: sqlite3.Connection) -> None:
        """Write it, or a part of it, as the first thing of a group."""
        ...

    def settle(self, error: Exception | None) -> None:
        """Take note that the group is committed, or that what was written is taken back because of an error."""
        ...


class NoPreamble:
    """Stands where nothing goes before the rest."""

    def has_rows(self) -> bool:
        """Tell that there is nothing."""
        return False

    def write(self, connection: sqlite3.Connection) -> None:
        """Write nothing."""

    def settle(self, error: Exception | None) -> None:
        """Take note of nothing."""
