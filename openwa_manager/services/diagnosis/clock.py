"""Whether the host's clock is set by the network, as far as the kernel tells."""

import ctypes
from typing import Final

from openwa_manager.domain.diagnosis.findings import Finding

_TIME_ERROR: Final = 5  # ntp_adjtime(3): the clock is not synchronised


def clock_state() -> int:
    """Return what the kernel says of its clock: 0 to 4 synchronised, 5 not, -1 if it does not tell.

    Not on macOS: there nobody ever clears STA_UNSYNC, which is set at boot (XNU, bsd/kern/kern_ntptime.c), for `timed`
    sets the clock in another way; so every Mac says 5.
    """
    return int(ctypes.CDLL(None).ntp_adjtime(ctypes.create_string_buffer(512)))


def check_clock(state: int) -> Finding:
    """Check that the clock is set by the network: signatures are refused when it is five minutes off."""
    if state == _TIME_ERROR:
        detail = "not synchronised; receivers refuse signatures from a wrong clock"
        return Finding("clock", "warn", detail, "turn on time synchronisation (timedatectl set-ntp true)")
    return Finding("clock", "ok", "synchronised" if state >= 0 else "the system does not tell")
