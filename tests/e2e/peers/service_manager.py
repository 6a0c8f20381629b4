"""A service manager, as far as a daemon can tell."""

import socket
import time
from dataclasses import dataclass, field

from tests.e2e.peers.daemon import eventually


@dataclass
class ServiceManagerEar:
    """Listens as systemd does, and keeps what it hears."""

    listener: socket.socket
    heard: list[str] = field(default_factory=list)

    def listen(self) -> list[str]:
        """Return everything said so far."""
        while True:
            try:
                self.heard.append(self.listener.recv(4096).decode())
            except BlockingIOError:
                return self.heard

    def until(self, word: str, count: int = 1) -> list[str]:
        """Return everything said, once a word was said so often."""
        eventually(lambda: self.listen().count(word) >= count)
        return self.heard

    def listen_for(self, seconds: float) -> list[str]:
        """Return what is said from now on within so many seconds: silence takes time."""
        self.forget()
        time.sleep(seconds)
        return self.listen()

    def forget(self) -> None:
        """Begin anew."""
        self.listen()
        self.heard.clear()
