"""The way in: the README, and how to use the daemon."""

from tests.pages.world import World

WORLDS: dict[str, World] = {}
PENDING: dict[str, str] = {
    "README.md": "not yet written by the contract",
    "openwa_manager/docs/linking.md": "not yet written by the contract",
    "openwa_manager/docs/sending.md": "not yet written by the contract",
}
