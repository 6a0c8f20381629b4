"""What is looked up."""

from tests.pages.world import NOTHING_RUNS, World

WORLDS: dict[str, World] = {
    **dict.fromkeys(
        (f"openwa_manager/docs/reference/{name}.md" for name in ("api", "cli", "events", "findings", "metrics")),
        NOTHING_RUNS,
    ),
    "openwa_manager/docs/reference/reasons.md": NOTHING_RUNS,
    "openwa_manager/docs/reference/settings.md": NOTHING_RUNS,
    "openwa_manager/docs/trouble.md": NOTHING_RUNS,
    "openwa_manager/docs/metrics.md": World(sessions=["user_1_session_a"]),
}
PENDING: dict[str, str] = {}
