"""Programs that speak to the daemon, and programs that are engines."""

from pathlib import Path

from openwa_manager.config import PREFIX
from tests.fakes.ports import free_ports
from tests.pages.world import NOTHING_RUNS, Place, World


def scans_soon(place: Place) -> None:
    """Let the page's daemon be made by the page: what a world sets beside it must not stand in its way."""
    for name in ("ENGINE", "ENGINE_ENV"):
        place.environ.pop(PREFIX + name)


def has_events(place: Place) -> None:
    """Look at what the receiver of the page has stored."""
    assert (place.work / "events.sqlite3").stat().st_size
    assert (place.work / "user_1_session_a.png").stat().st_size


def shows_a_code(place: Place) -> None:
    """Look for the example's engine, which has connected."""
    assert "demo-1" in (Path(place.home) / "serve.log").read_text("utf-8")


_RECEIVER_PORT = str(free_ports(1)[0])

WORLDS: dict[str, World] = {
    "examples/README.md": NOTHING_RUNS,
    "examples/command-engine/README.md": World(runs_daemon=False, judge=shows_a_code),
    "examples/n8n/README.md": World(
        sessions=["user_1_session_a"],
        replaced={"https://n8n.example.com/": "http://127.0.0.1:9/"},
        settings={"ALLOW_PRIVATE_ENDPOINTS": "true"},
    ),
    "examples/pm2/README.md": NOTHING_RUNS,
    "examples/prometheus/README.md": World(sessions=["user_1_session_a"]),
    "examples/python/README.md": World(
        runs_daemon=False,
        begin=scans_soon,
        judge=has_events,
        environ={"PYTHONPATH": "{top}/work"},
        replaced={"8000": _RECEIVER_PORT, '"SIM_AUTO_SCAN_S": "5"': '"SIM_AUTO_SCAN_S": "1"'},
    ),
    "openwa_manager/docs/gateway.md": World(sessions=["user_1_session_a"]),
}
PENDING: dict[str, str] = {}
