"""The pages that are drawn from the code, by their paths below `openwa_manager/docs`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tests.reference.api import api_page
from tests.reference.cli import cli_page
from tests.reference.events import events_page
from tests.reference.metrics import metrics_page
from tests.reference.reasons import reasons_page
from tests.reference.settings import settings_page
from tests.reference.trouble import findings_page, trouble_page

DOCS: Final = Path(__file__).parents[2] / "openwa_manager" / "docs"
PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "reference/api.md": api_page,
    "reference/cli.md": cli_page,
    "reference/events.md": events_page,
    "reference/findings.md": findings_page,
    "reference/metrics.md": metrics_page,
    "reference/reasons.md": reasons_page,
    "reference/settings.md": settings_page,
    "trouble.md": trouble_page,
}
