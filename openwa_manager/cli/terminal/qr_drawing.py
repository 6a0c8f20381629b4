"""Draws a QR code in the terminal: from the pixels of its PNG to modules, from modules to half blocks."""

import base64
import zlib
from collections.abc import Sequence
from itertools import islice, zip_longest

import png

from openwa_manager.cli.errors import CommandFailedError

#: Rows of modules, from the top left, without quiet zone; True is dark.
Modules = tuple[tuple[bool, ...], ...]

#: ISO/IEC 18004: a finder pattern, a version's size, and the quiet zone, in modules.
FINDER = 7
SIZES = range(21, 178, 4)
QUIET = 4

#: True black on true white whatever the theme: phones do not read inverted codes.
_COLORS, _RESET = "\x1b[38;5;16;48;5;231m", "\x1b[0m"
_BLOCKS = {(False, False): " ", (True, False): "\u2580", (False, True): "\u2584", (True, True): "\u2588"}


def modules_of(qr_base64: str) -> Modules:
    """Return the modules of an upright code drawn as a PNG (base64, with or without `data:…,` before it).

    Raises:
        CommandFailedError: there is no such code in it.
    """
    try:
        dark = _dark_pixels(base64.b64decode(qr_base64.rpartition(",")[2], validate=True))
    except (ValueError, EOFError, zlib.error, png.Error) as error:
        raise CommandFailedError(f"the code is not a PNG: {error}") from error
    box = _trimmed(dark)
    size = _size_of(box)
    if size is None:
        raise CommandFailedError("the PNG shows no QR code; get the image with `--output FILE` and look at it")
    centres = [int((index + 0.5) * len(box) / size) for index in range(size)]
    return tuple(tuple(box[y][x] for x in centres) for y in centres)


def draw(modules: Modules, *, is_plain: bool = False) -> str:
    """Return lines of half blocks, two modules high each, with the quiet zone a phone needs.

    `is_plain`: for a terminal without colors, of which most write light on dark, so the light modules are drawn.
    """
    width = len(modules) + 2 * QUIET
    blank = (False,) * width
    side = (False,) * QUIET
    rows = [blank] * QUIET + [(*side, *row, *side) for row in modules] + [blank] * QUIET
    if is_plain:
        rows = [tuple(not dark for dark in row) for row in rows]
    pairs = zip_longest(islice(rows, 0, None, 2), islice(rows, 1, None, 2), fillvalue=blank)
    lines = ("".join(map(_BLOCKS.__getitem__, zip(upper, lower, strict=True))) for upper, lower in pairs)
    return "\n".join(line if is_plain else f"{_COLORS}{line}{_RESET}" for line in lines)


def _dark_pixels(image: bytes) -> list[list[bool]]:
    """Read any kind of PNG; what is transparent lies on white."""
    _, _, rows, _ = png.Reader(bytes=image).asRGBA8()
    return [[_is_dark(*pixel) for pixel in zip(*[iter(row)] * 4, strict=True)] for row in rows]


def _is_dark(red: int, green: int, blue: int, alpha: int) -> bool:
    luminance = 0.299 * red + 0.587 * green + 0.114 * blue  # ITU-R BT.601
    return luminance * alpha / 255 + 255 - alpha < 128


def _trimmed(dark: Sequence[Sequence[bool]]) -> list[list[bool]]:
    """Cut off the margin: a code has a finder pattern in three corners, so its dark pixels reach all four sides."""
    rows = [y for y, row in enumerate(dark) if any(row)]
    columns = [x for x, column in enumerate(zip(*dark, strict=True)) if any(column)]
    if not rows:
        return []
    return [list(row[columns[0] : columns[-1] + 1]) for row in dark[rows[0] : rows[-1] + 1]]


def _size_of(box: Sequence[Sequence[bool]]) -> int | None:
    """Return how many modules wide a code is, measured by its first finder pattern; None if it cannot be one."""
    if not box or len(box) != len(box[0]) or all(box[0]):
        return None
    module = box[0].index(False) / FINDER
    size = min(SIZES, key=lambda size: abs(size * module - len(box)))
    return size if abs(size * module - len(box)) < 2 * module and len(box) >= size else None


def drawn_width(line: str) -> int:
    """Return how many columns a line of `draw` takes."""
    return len(line.removeprefix(_COLORS).removesuffix(_RESET))
