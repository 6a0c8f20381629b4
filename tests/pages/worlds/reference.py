"""What is looked up."""

from tests.pages.world import World

WORLDS: dict[str, World] = {}
PENDING: dict[str, str] = {
    "openwa_manager/docs/metrics.md": "not yet written by the contract",
}
