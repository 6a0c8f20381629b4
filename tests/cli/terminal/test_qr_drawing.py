"""A code drawn in the terminal is the code in the PNG, module by module."""

import base64
import io
import json
from pathlib import Path

import png
import pytest
import segno
from hypothesis import given, settings
from hypothesis import strategies as st

from openwa_manager.cli.errors import CommandFailedError
from openwa_manager.cli.terminal.qr_drawing import QUIET, draw, modules_of
from tests.cli.commands.samples import code_of, modules_on

RECORDED = Path(__file__).parents[2] / "data" / "openwa-transcripts" / "webhooks.json"


def inner(drawn: list[list[bool]], size: int) -> list[list[bool]]:
    return [row[QUIET : QUIET + size] for row in drawn[QUIET : QUIET + size]]


@settings(max_examples=20, deadline=None)
@given(version=st.integers(1, 20), scale=st.integers(1, 3), border=st.integers(0, 9))
def test_what_is_drawn_is_what_was_in_the_image(version: int, scale: int, border: int) -> None:
    qr_base64, source = code_of("2@x", version, scale=scale, border=border)

    drawn = modules_on(draw(modules_of(qr_base64)))

    assert inner(drawn, len(source)) == source
    margin = [module for y, row in enumerate(drawn) for x, module in enumerate(row) if not _inside(x, y, len(source))]
    assert not any(margin)
    assert len(drawn[0]) == len(source) + 2 * QUIET


def _png(light: list[list[bool]]) -> str:
    image = io.BytesIO()
    png.Writer(len(light[0]), len(light), greyscale=True, bitdepth=1).write(image, light)
    return base64.b64encode(image.getvalue()).decode()


def _inside(x: int, y: int, size: int) -> bool:
    return QUIET <= x < QUIET + size and QUIET <= y < QUIET + size


@pytest.mark.parametrize(
    "colors",
    [
        {},  # 1 bit grey
        {"dark": "darkblue", "light": "#ffffee"},  # palette
        {"dark": "black", "light": None},  # transparent
        {"dark": "#000000cc", "light": "#ffffffff"},  # palette with alpha
        {"dark": "black", "light": "white", "finder_dark": "red", "data_dark": "green"},  # several colours
    ],
)
def test_every_kind_of_png_is_read(colors: dict[str, str | None]) -> None:
    qr_base64, source = code_of("2@colourful", None, scale=3, **colors)

    assert [list(row) for row in modules_of(qr_base64)] == source


def test_the_image_that_openwa_sent_is_read() -> None:
    recorded = json.loads(RECORDED.read_text())
    bodies = [json.loads(each["raw_body"]) for each in recorded["deliveries"]]
    [qr_base64] = [body["data"]["qr"] for body in bodies if body["event"] == "session.qr"]

    modules = modules_of(qr_base64)

    assert len(modules) == 61
    assert inner(modules_on(draw(modules)), 61) == [list(row) for row in modules]


def test_an_image_that_was_scaled_unevenly_is_read() -> None:
    made = segno.make("2@uneven", micro=False, version=3)
    size, pixels = 29, 29 * 7 + 13
    rows = [[not made.matrix[y * size // pixels][x * size // pixels] for x in range(pixels)] for y in range(pixels)]

    assert [list(row) for row in modules_of(_png(rows))] == [[bool(module) for module in row] for row in made.matrix]


@pytest.mark.parametrize(
    "rows",
    [
        [[True] * 30] * 30,
        [[False] * 30] * 30,
        [[False, True] * 15] * 10,
        [[False] + [True] * 29] * 30,
        [[False, True, False], [True, True, True], [False, True, False]],
    ],
)
def test_an_image_without_a_code_is_refused(rows: list[list[bool]]) -> None:
    with pytest.raises(CommandFailedError, match="shows no QR code"):
        modules_of(_png(rows))


@pytest.mark.parametrize("text", ["", "not base64!", base64.b64encode(b"no image").decode()])
def test_what_is_no_image_is_refused(text: str) -> None:
    with pytest.raises(CommandFailedError, match="not a PNG"):
        modules_of(text)


def test_a_torn_image_is_refused() -> None:
    whole = base64.b64decode(code_of("2@torn")[0])

    with pytest.raises(CommandFailedError, match="not a PNG"):
        modules_of(base64.b64encode(whole[: len(whole) // 2]).decode())
