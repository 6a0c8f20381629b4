"""Writes what is exposed into the table of `openwa_manager/docs/metrics.md`; run by `make docs`."""

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.diagrams import table
from tests.metrics.samples import whole_text

PAGE = Path(__file__).parents[2] / "openwa_manager" / "docs" / "metrics.md"
_BLOCK = re.compile(r"(?<=<!-- begin metrics -->\n).*?(?=\n<!-- end metrics -->)", re.DOTALL)
_OF_BUCKETS = {"le"}


def metrics_table() -> str:
    """Return every metric of ours with its type, its labels and what it tells."""
    rows = []
    for family in text_string_to_metric_families(whole_text()):
        if not family.name.startswith("openwa_manager_"):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label: None for sample in family.samples for label in sample.labels if label not in _OF_BUCKETS}
        rows.append([f"`{name}`", family.type, " ".join(f"`{label}`" for label in labels), family.documentation])
    return table(["name", "type", "labels", "what it tells"], sorted(rows))


def drawn(page: str) -> str:
    """Return the page with the table as it is now.

    Raises:
        ValueError: the page has no place for it.
    """
    page, count = _BLOCK.subn(lambda _: metrics_table(), page)
    if count != 1:
        raise ValueError(f"the table is {count} times on the page")
    return page


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text("utf-8")), "utf-8")
