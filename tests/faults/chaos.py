"""What may happen to a daemon and its sessions, one thing at a time, and what must be true all the while."""

import os
import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.peers.daemon import Daemon, engines_below, eventually

#: How long it may take after the last fault until everything is as it should be.
HEALED_WITHIN_S = 60.0


@dataclass
class Chaos:
    """A daemon under faults; `desired` is what was asked for: True runs, False rests, absent is deleted."""

    daemon: Daemon
    desired: dict[str, bool] = field(default_factory=dict)
    is_up: bool = True

    def start(self, name: str) -> None:
        """Have a session run, whether it exists or not."""
        if name not in self.desired:
            self.daemon.create(name)
        else:
            answer = self.daemon.ask("POST", f"/v1/sessions/{name}/start?wait=0")
            assert answer.status == 202, answer.raw
        self.desired[name] = True

    def stop(self, name: str) -> None:
        """Have a session rest."""
        answer = self.daemon.ask("POST", f"/v1/sessions/{name}/stop?wait=0")
        assert answer.status == 202, answer.raw
        self.desired[name] = False

    def delete(self, name: str) -> None:
        """Remove a session; its engine is dead and its directory gone with the answer."""
        answer = self.daemon.ask("DELETE", f"/v1/sessions/{name}")
        assert answer.status == 204, answer.raw
        del self.desired[name]
        assert name not in self.living()

    def restart(self, name: str) -> None:
        """Have a session end and begin."""
        answer = self.daemon.ask("POST", f"/v1/sessions/{name}/restart?wait=0")
        assert answer.status == 202, answer.raw
        self.desired[name] = True

    def signal_engine(self, name: str, number: signal.Signals) -> None:
        """Kill or stop an engine, daemon or no daemon."""
        for pid, directory in self._engines():
            if directory == name:
                os.kill(pid, number)

    def kill_daemon(self) -> None:
        """End the daemon as `kill -9` does."""
        self.daemon.kill()
        self.is_up = False

    def start_daemon(self) -> None:
        """Start it again."""
        self.daemon.start()
        self.is_up = True

    def living(self) -> Counter[str]:
        """Return how many live engines each session has."""
        return Counter(directory for _, directory in self._engines())

    def require_one_owner(self) -> None:
        """Accept at most one live engine per session."""
        assert all(count == 1 for count in self.living().values()), self.living()

    def require_healed(self) -> None:
        """Accept, within a time, only what was asked for: everybody who should run is connected, nobody else lives."""
        wanted = sorted(name for name, runs in self.desired.items() if runs)
        for name in wanted:
            self.daemon.until(name, "connected", within_s=HEALED_WITHIN_S)
        eventually(lambda: sorted(self.living()) == wanted, within_s=HEALED_WITHIN_S)
        self.require_one_owner()

    def _engines(self) -> list[tuple[int, str]]:
        found = []
        for pid in engines_below(self.daemon.home):
            try:
                cwd = Path(str(Path(f"/proc/{pid}/cwd").readlink()).removesuffix(" (deleted)"))
            except OSError:  # it has just died
                continue
            found.append((pid, cwd.relative_to(self.daemon.home / "sessions").parts[0]))
        return found
