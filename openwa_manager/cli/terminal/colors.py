"""Which color a status has on a terminal, and whether there are colors at all."""

from collections.abc import Mapping

_GREEN, _YELLOW, _RED, _DIM = "32", "33", "31", "2"
#: Green: it works. Yellow: it is on its way. Red: somebody should look. Dim: it rests.
_COLORS: Mapping[str, str] = {
    **dict.fromkeys(("connected", "active", "delivered", "read", "sent", "accepted", "done", "up"), _GREEN),
    **dict.fromkeys(("ok", "yes", "ready"), _GREEN),
    **dict.fromkeys(("creating", "qr_ready", "authenticating", "restarting", "stopping"), _YELLOW),
    **dict.fromkeys(("pending", "queued", "sending", "throttled", "unknown", "warn"), _YELLOW),
    **dict.fromkeys(("disconnected", "failed", "banned", "logged_out", "dead", "down", "refused", "bounced"), _RED),
    **dict.fromkeys(("fail", "no"), _RED),
    **dict.fromkeys(("stopped", "paused", "disabled", "cancelled", "expired"), _DIM),
}


def has_colors(environ: Mapping[str, str]) -> bool:
    """Tell whether a terminal may be given colors (https://no-color.org)."""
    return not environ.get("NO_COLOR") and environ.get("TERM", "dumb") != "dumb"


def painted(text: str) -> str:
    """Return a status in its color; its first word decides."""
    color = _COLORS.get(text.partition(" ")[0])
    return f"\x1b[{color}m{text}\x1b[0m" if color else text
