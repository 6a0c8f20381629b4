"""Laravel."""

from tests.pages.world import World

WORLDS: dict[str, World] = {}
PENDING: dict[str, str] = {
    "examples/laravel/README.md": "not yet written by the contract",
}
