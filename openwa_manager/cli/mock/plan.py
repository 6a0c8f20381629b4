"""What a mock is to be: what its caller chose, and the settings of the daemon in it that follow."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path

from openwa_manager.config import GUIDE_NAMES, PREFIX
from openwa_manager.domain.values import dataclass
from openwa_manager.engines.registry import SIMULATOR

#: Tests should not wait: engines start together, and what is tried again is so at once. Nothing has a limit.
_SETTINGS: Mapping[str, str] = {
    "ENGINE": SIMULATOR,
    "ENGINE_ISOLATION": "none",
    "MIN_FREE_MEMORY_BYTES": "0",
    "MIN_FREE_DISK_BYTES": "0",
    "START_CONCURRENCY": "16",
    "START_SPACING_S": "0",
    "RATE_PER_S": "0",
    "MESSAGE_RETRY_S": "[0.5, 1, 2]",
    "SEND_TIMEOUT_S": "5",
    "CONTACT_CHECK_GAP_S": "0",
    "BATCH_PROGRESS_S": "1",
    "ALLOW_PRIVATE_ENDPOINTS": "true",
    "LOG_FORMAT": "json",
}
#: What the engines are told beside that: no typing, and media may lie where the tests' own servers are.
_ENGINES: Mapping[str, str] = {
    "SIM_QR_DELAY_S": "0",
    "SIM_OPEN_S": "0",
    "SIM_ONLINE": "1",
    "SIMULATE_TYPING": "false",
    "SSRF_ALLOWED_HOSTS": "localhost,127.0.0.1,::1,host.docker.internal",
    "MOCK_ENDS_WITH_PARENT": "1",
}
#: A service manager that waits for another program's word must not get it from the daemon in a mock.
_FOREIGN = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


@dataclass(frozen=True, slots=True, kw_only=True)
class MockPlan:
    """What the caller chose; `scan_after_s` None: no phone ever scans, `webhook_url` None: events go nowhere.

    `command` is what is run with the mock around it; none: it serves until it is ended.
    """

    host: str
    port: int
    key: str = field(repr=False)
    version: str
    scan_after_s: float | None
    gap_s: float
    webhook_url: str | None
    webhook_secret: str = field(repr=False)
    is_verbose: bool
    command: Sequence[str] = ()

    def environ(self, inherited: Mapping[str, str], home: Path, ports: tuple[int, int]) -> dict[str, str]:
        """Return what the daemon in `home` is told: nothing of what a daemon of the user's own would be.

        `ports` are those of the API and of the intake.
        """
        kept = {name: text for name, text in inherited.items() if not name.startswith(PREFIX)}
        for name in (*GUIDE_NAMES, *_FOREIGN):
            kept.pop(name, None)
        own = {
            **_SETTINGS,
            "HOME": str(home),
            **{name: str(home / "not-installed") for name in ("OPENWA_HOME", "NODE")},
            "LISTEN": f"127.0.0.1:{ports[0]}",
            "INTAKE_LISTEN": f"127.0.0.1:{ports[1]}",
            "MESSAGE_GAP_MIN_S": str(self.gap_s),
            "MESSAGE_GAP_MAX_S": str(self.gap_s),
            "ENGINE_ENV": json.dumps(self._engine_env(home)),
        }
        if self.webhook_url is not None:
            own |= {"UPSTREAM_URL": self.webhook_url, "UPSTREAM_SECRET": self.webhook_secret}
        return kept | {PREFIX + name: text for name, text in own.items()}

    def _engine_env(self, home: Path) -> dict[str, str]:
        scan = {} if self.scan_after_s is None else {"SIM_AUTO_SCAN_S": str(self.scan_after_s)}
        return {**_ENGINES, **scan, "SIM_VERSION": self.version, "MOCK_BOOKS": str(home / "books.jsonl")}
