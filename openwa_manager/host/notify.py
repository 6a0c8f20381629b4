"""Tells the service manager how we are (sd_notify(3)); does nothing where there is none."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress


class ServiceManager:
    """Where systemd hears of our state; sends nothing when `NOTIFY_SOCKET` is not in the environment."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._environment = environment

    def ready(self) -> None:
        """Say that start-up is complete."""
        self._send("READY=1")

    def stopping(self) -> None:
        """Say that the daemon winds down."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Send the keep-alive that the watchdog waits for."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Show one line in `systemctl status`."""
        self._send(f"STATUS={text.replace(chr(10), ' ')}")

    def watchdog_s(self) -> float | None:
        """Return within how many seconds the watchdog must hear from us; None: it is off or not for us."""
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
