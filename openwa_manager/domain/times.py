"""How a moment is written for others: ISO 8601, UTC, milliseconds."""

from datetime import UTC, datetime


def iso8601(at: float) -> str:
    """Return wall time as in `2026-11-22T07:22:04.165Z`."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
