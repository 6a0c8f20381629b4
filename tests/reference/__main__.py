"""Writes the pages that are drawn from the code; run by `make docs`."""

from tests.reference.pages import DOCS, PAGES

for name, draw in PAGES.items():
    path = DOCS / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(draw(), "utf-8")
