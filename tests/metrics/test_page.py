"""The table on the page about metrics is what the daemon exposes."""

import pytest

from tests.metrics.page import PAGE, drawn


def test_the_page_names_every_metric_as_it_is_exposed() -> None:
    page = PAGE.read_text("utf-8")

    assert drawn(page) == page, "run `make docs`"


def test_a_page_without_the_table_is_noticed() -> None:
    with pytest.raises(ValueError, match="0 times"):
        drawn("# Metrics\n")


def test_a_metric_that_is_told_otherwise_is_noticed() -> None:
    page = PAGE.read_text("utf-8")

    assert drawn(page.replace("| counter |", "| gauge |")) == page
