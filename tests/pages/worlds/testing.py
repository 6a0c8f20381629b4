"""The mock, and applications that are tested with it."""

from tests.pages.world import NOTHING_RUNS, World

WORLDS: dict[str, World] = {
    "examples/laravel-ci/README.md": NOTHING_RUNS,
    "openwa_manager/docs/mock.md": World(
        runs_daemon=False,
        replaced={"2785": "{port}"},
        used_by={"php": "tests/examples/test_laravel_ci.py"},
    ),
}
PENDING: dict[str, str] = {}
