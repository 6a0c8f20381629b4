"""Programs that speak to the daemon, and programs that are engines."""

from tests.pages.world import World

WORLDS: dict[str, World] = {}
PENDING: dict[str, str] = {
    "examples/python/README.md": "not yet written by the contract",
    "examples/command-engine/README.md": "not yet written by the contract",
    "examples/pm2/README.md": "not yet written by the contract",
}
