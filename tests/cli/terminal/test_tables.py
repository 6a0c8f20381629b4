"""Tables that fit the window, and how ids, sizes and texts are shortened."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.cli.terminal.tables import Column, ColumnKind, Listing, draw_listing
from openwa_manager.cli.terminal.texts import shortened, size, text_width

ID = "user_1_session_550e8400-e29b-41d4-a716-446655440000"
COLUMNS = (
    Column("SESSION", 9, ColumnKind.ID),
    Column("STATUS", 8, ColumnKind.STATUS),
    Column("WHY", 7),
    Column("MEMORY", 6, ColumnKind.SIZE),
    Column("PID", 5, ColumnKind.CODE),
    Column("LABELS", 0),
)
ROW = (ID, "connected", "the phone is switched off and nobody knows where it is", 123_400_000, 4711, "shop=hk")


def drawn(width: int | None, *rows: tuple[object, ...], is_wide: bool = False, paints: bool = False) -> list[str]:
    listing = Listing(COLUMNS, rows or (ROW,), "nothing")
    return draw_listing(listing, width=width, is_wide=is_wide, paints=paints).splitlines()


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


@given(
    width=st.integers(20, 200), rows=st.lists(st.tuples(texts, texts, texts, st.integers(0), texts, texts), min_size=1)
)
def test_no_line_is_wider_than_the_window(width: int, rows: list[tuple[object, ...]]) -> None:
    assert max(map(text_width, drawn(width, *rows))) <= width


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (200, ["SESSION", "STATUS", "WHY", "MEMORY", "PID"]),
        (80, ["SESSION", "STATUS", "WHY", "MEMORY", "PID"]),
        (58, ["SESSION", "STATUS", "WHY", "MEMORY"]),
        (50, ["SESSION", "STATUS", "WHY"]),
        (40, ["SESSION", "STATUS"]),
        (20, ["SESSION"]),
    ],
)
def test_columns_go_in_the_order_of_their_worth(width: int, columns: list[str]) -> None:
    assert drawn(width)[0].split() == columns


def test_an_id_keeps_its_beginning_and_its_end() -> None:
    id_shown = drawn(50)[1].split()[0]

    beginning, end = id_shown.split("…")
    assert ID.startswith(beginning)
    assert ID.endswith(end)
    assert abs(len(beginning) - len(end)) <= 1


def test_nothing_is_shortened_where_there_is_room_or_no_window() -> None:
    assert drawn(None)[1].split()[0] == ID
    assert drawn(200)[1] == drawn(None)[1]


def test_wide_has_every_column_in_full_however_narrow_the_window() -> None:
    head, row = drawn(20, is_wide=True)

    assert head.split() == [column.name for column in COLUMNS]
    assert row.split()[0] == ID
    assert row.endswith("shop=hk")


def test_numbers_stand_below_each_other_at_their_ends() -> None:
    head, first, second = drawn(None, ROW, ("b", "stopped", None, 9_500_000, None, None))

    ends = {line.index(word) + len(word) for line, word in ((head, "MEMORY"), (first, "123M"), (second, "9.5M"))}
    assert len(ends) == 1


def test_a_color_takes_no_room() -> None:
    plain, painted = drawn(80)[1], drawn(80, paints=True)[1]

    assert painted == plain.replace("connected", "\x1b[32mconnected\x1b[0m")


@given(text=texts, width=st.integers(1, 100), in_middle=st.booleans())
def test_a_shortened_text_fits(text: str, width: int, in_middle: bool) -> None:
    short = shortened(text, width, in_middle=in_middle)

    assert text_width(short) <= width
    assert short == text or "…" in short


@pytest.mark.parametrize(
    ("count_bytes", "said"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.0K"),
        (123_400_000, "123M"),
        (999_999, "1.0M"),
        (2 * 10**9, "2.0G"),
        (None, "-"),
    ],
)
def test_sizes_are_short(count_bytes: int | None, said: str) -> None:
    assert size(count_bytes) == said


def test_letters_of_east_asia_take_two_places() -> None:
    assert text_width("日本") == 4
    assert text_width("e\u0301") == 1
    assert shortened("日本語", 4) == "日…"
