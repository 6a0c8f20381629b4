"""The state tables on the design page are those of the code."""

import pytest

from tests.diagrams import BLOCKS, PAGE, drawn


def test_the_page_shows_the_tables_of_the_code() -> None:
    page = PAGE.read_text("utf-8")

    assert drawn(page) == page, "run `make docs`"


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_that_is_not_on_the_page_is_noticed(name: str) -> None:
    page = PAGE.read_text("utf-8").replace(f"<!-- begin {name} -->", "")

    with pytest.raises(ValueError, match=f"{name} is 0 times"):
        drawn(page)


def test_a_table_that_has_changed_is_drawn_anew() -> None:
    page = PAGE.read_text("utf-8")
    former = page.replace("stateDiagram-v2", "a former diagram")

    assert former != page
    assert drawn(former) == page
