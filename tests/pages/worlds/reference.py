"""What is looked up."""

import re
import stat

from tests.pages.world import NOTHING_RUNS, Place, World


def has_a_private_key(place: Place) -> None:
    """Hold the page to a key that Prometheus can read, and nobody else."""
    path = place.work / "openwa-manager.key"
    assert re.fullmatch(r"owm_\w+\n", path.read_text("ascii"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


WORLDS: dict[str, World] = {
    **dict.fromkeys(
        (f"openwa_manager/docs/reference/{name}.md" for name in ("api", "cli", "events", "findings", "metrics")),
        NOTHING_RUNS,
    ),
    "openwa_manager/docs/reference/reasons.md": NOTHING_RUNS,
    "openwa_manager/docs/reference/settings.md": NOTHING_RUNS,
    "openwa_manager/docs/trouble.md": NOTHING_RUNS,
    "openwa_manager/docs/metrics.md": World(sessions=["user_1_session_a"]),
    "examples/prometheus/README.md": World(judge=has_a_private_key),
    "examples/grafana/README.md": NOTHING_RUNS,
}
PENDING: dict[str, str] = {}
