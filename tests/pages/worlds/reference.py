"""What is looked up."""

from tests.pages.world import NOTHING_RUNS, World

WORLDS: dict[str, World] = {
    "examples/grafana/README.md": NOTHING_RUNS,
}
PENDING: dict[str, str] = {
    "openwa_manager/docs/metrics.md": "not yet written by the contract",
}
