"""Which pages there are, and in which order they are read."""

from openwa_manager.api.docs.contents import DOCS, OTHERS, PARTS, entries, parts


def test_every_page_has_its_place_in_the_order() -> None:
    assert OTHERS not in parts(), f"not in PARTS: {[each.name for each in parts()[OTHERS]]}"
    assert set(entries()) == {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")}


def test_a_page_stands_in_one_part_only() -> None:
    listed = [name for names in PARTS.values() for name in names]

    assert len(listed) == len(set(listed))


def test_every_page_has_a_title_and_says_what_it_is_for() -> None:
    for entry in entries().values():
        assert entry.title[0].isupper(), entry.name
        assert len(entry.title) <= 56, entry.name  # `help` lists it on one line of 80
        assert len(entry.lead) > 10, entry.name
