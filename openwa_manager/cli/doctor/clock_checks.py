"""The doctor's checks of the clock: what the kernel says of it, or what the backend's says."""

import http.client
import ssl
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from openwa_manager.domain.diagnosis.findings import Finding
from openwa_manager.host.clock import SystemClock

_ASK_S = 5.0
#: Receivers refuse signatures that are five minutes off; a clock that is set by the network is within a second.
_OFFSET_MAX_S = 30.0


def check_offset(ahead_s: float | None) -> Finding:
    """Check that our clock agrees with the backend's, which it is so far ahead of; None: the backend does not tell."""
    if ahead_s is None:
        return Finding("clock", "ok", "not compared: no backend tells the time")
    if abs(ahead_s) <= _OFFSET_MAX_S:
        return Finding("clock", "ok", "as the backend's")
    detail = f"{abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} the backend's: it refuses our signatures"
    advice = "sudo sntp -sS time.apple.com, and in Date & Time have it set automatically; or set the backend's clock"
    return Finding("clock", "warn", detail, advice)


def ahead_of_backend_s(url: str | None) -> float | None:
    """Return how far our clock is ahead of the backend's, by its `Date` header; None when it does not tell.

    One `HEAD /` is sent, without any of our keys; whatever is answered has the header (RFC 9110, 6.6.1).
    """
    if url is None:
        return None
    clock = SystemClock()
    before = clock.now()
    try:
        told = _date_of(url)
    except (OSError, http.client.HTTPException, ValueError):  # the check of the backend says what is wrong with it
        return None
    after = clock.now()
    if told is None:
        return None
    halfway_s = (after.boot_s - before.boot_s) / 2
    return before.at + halfway_s - (told + 0.5)  # the header has whole seconds


def _date_of(url: str) -> float | None:
    """Return the backend's time, in seconds since the epoch."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection = (
        http.client.HTTPSConnection(host, parts.port, timeout=_ASK_S, context=ssl.create_default_context())
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, parts.port, timeout=_ASK_S)
    )
    try:
        connection.request("HEAD", "/")
        header = connection.getresponse().headers["Date"]
    finally:
        connection.close()
    return None if header is None else parsedate_to_datetime(header).timestamp()
