"""Tells the service manager how we are (sd_notify(3)), and ends us when we freeze where it has no watchdog.

launchd has none. There a thread of Python's own faulthandler takes its place: unless it is set anew in time it writes
to the log where every thread hangs, and ends the process; launchd starts the next one, which adopts the engines. That
thread needs no GIL (Modules/faulthandler.c, faulthandler_thread), so it notices a loop that waits for ever as well as a
call into C that never comes back. What it must not take for a freeze:

*The host sleeps.* The thread waits for a lock, with a limit (PyThread_acquire_lock_timed). macOS has no semaphores
without a name, so the lock is a condition variable there, and since pthread_condattr_setclock is missing too its limit
is a moment of the wall clock (Python/thread_pthread.h, 3.11 to 3.14). But libpthread makes an interval of it before it
waits (src/pthread_cond.c, _pthread_cond_wait), and the kernel counts that in mach_absolute_time, which stands still
while the host sleeps (kern/kern_support.c, psynch_cvwait). The loop's own timers stand still with it: kevent's limits
and Python's monotonic clock are of the same kind. So after a sleep both go on with what they had left, and the loop
comes first by far. One way is left: a wait that ends for no reason is begun anew by CPython with the old moment of the
wall clock, which a sleep has put into the past. That cannot be helped while we sleep, so the time for it is kept short:
a beat that comes late sets the limit anew before it does anything else (services/upkeep/watchdog.py). On Linux the
thread waits by CLOCK_MONOTONIC, which stands still as well (sem_clockwait, glibc 2.30 and later).

*We are stopped*, by SIGSTOP, Ctrl-Z or a debugger. The host's clocks go on, and once we go on the thread is ready as
soon as the loop: after a stop longer than the limit it may end us (on Linux 4 times of 16). Nothing can be done about
that from inside, and systemd's watchdog does not even wait for us to go on. So unless it is asked for, this runs under
launchd only, where somebody starts us again and nobody types Ctrl-Z. By hand nobody would, and a `breakpoint()` of
somebody who looks for a fault would end us.

*The host is short of everything.* The limit is twice systemd's, and a beat comes four times in it.
"""

import faulthandler
import os
import socket
from collections.abc import Mapping
from contextlib import suppress

import structlog

_log = structlog.get_logger()

#: What our job is called; launchd has it in the environment of the job, and `0` in that of a shell.
LAUNCHD_LABEL = "com.openwa.manager"
#: How long a job of launchd may be frozen.
_FREEZE_LIMIT_S = 60.0


def is_launchd_job(environment: Mapping[str, str]) -> bool:
    """Tell whether launchd runs us as its job; in a terminal's shell the variable says `0`."""
    return environment.get("XPC_SERVICE_NAME") == LAUNCHD_LABEL


class ServiceManager:
    """Where systemd hears of our state; sends nothing when `NOTIFY_SOCKET` is not in the environment.

    Where it has no watchdog a freeze of `freeze_limit_s` ends this process. 0 means never, None that it is for us to
    say: 60 s under launchd, elsewhere never.
    """

    def __init__(self, environment: Mapping[str, str], freeze_limit_s: float | None = 0.0) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._environment = environment
        if freeze_limit_s is None:
            freeze_limit_s = _FREEZE_LIMIT_S if is_launchd_job(environment) else 0.0
        self._freeze_limit_s = 0.0 if self._systemds_limit_s() else freeze_limit_s

    def ready(self) -> None:
        """Say that start-up is complete."""
        self._send("READY=1")

    def stopping(self) -> None:
        """Say that the daemon winds down."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Send the keep-alive that the watchdog waits for, or put off what ends us in its place."""
        self._send("WATCHDOG=1")
        if self._freeze_limit_s:
            try:
                faulthandler.dump_traceback_later(self._freeze_limit_s, exit=True)
            except RuntimeError as error:  # no thread can be started now; the next beat tries again
                _log.warning("freeze_not_watched_for", error=str(error))

    def close(self) -> None:
        """End us no more for a freeze: nobody sends keep-alives from now on."""
        if self._freeze_limit_s:
            faulthandler.cancel_dump_traceback_later()

    def status(self, text: str) -> None:
        """Show one line in `systemctl status`."""
        self._send(f"STATUS={text.replace(chr(10), ' ')}")

    def watchdog_s(self) -> float | None:
        """Return within how many seconds the watchdog must hear from us; None: there is none.

        What ends us in its place waits twice as long.
        """
        return self._systemds_limit_s() or self._freeze_limit_s / 2 or None

    def _systemds_limit_s(self) -> float | None:
        pid, limit_us = self._environment.get("WATCHDOG_PID"), self._environment.get("WATCHDOG_USEC", "")
        if not limit_us.isdecimal() or int(limit_us) == 0 or pid not in (None, str(os.getpid())):
            return None
        return int(limit_us) / 1e6

    def _send(self, state: str) -> None:
        if not self._address.startswith(("/", "@")):
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        # What systemd does not hear it will act on; the daemon serves its sessions all the same.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(state.encode(), address)
