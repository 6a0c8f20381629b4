"""The mock, and applications that are tested with it."""

from tests.pages.world import World

WORLDS: dict[str, World] = {}
PENDING: dict[str, str] = {}
