"""Draws QR modules as the PNG that OpenWA hands out."""

import struct
import zlib

from openwa_manager.simulator.whatsapp.qrcode import Modules

#: What the `qrcode` package of OpenWA draws: 4 pixels a module, 4 modules of quiet zone, RGBA.
MODULE_PIXELS = 4
QUIET_MODULES = 4

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DARK = b"\x00\x00\x00\xff"
_LIGHT = b"\xff\xff\xff\xff"


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def draw_png(modules: Modules) -> bytes:
    """Return an 8-bit RGBA PNG with quiet zone."""
    width = (len(modules) + 2 * QUIET_MODULES) * MODULE_PIXELS
    margin = _LIGHT * (QUIET_MODULES * MODULE_PIXELS)
    blank_line = b"\x00" + _LIGHT * width
    lines = [blank_line * (QUIET_MODULES * MODULE_PIXELS)]
    for row in modules:
        pixels = b"".join((_DARK if is_dark else _LIGHT) * MODULE_PIXELS for is_dark in row)
        lines.append((b"\x00" + margin + pixels + margin) * MODULE_PIXELS)
    lines.append(lines[0])
    header = struct.pack(">IIBBBBB", width, width, 8, 6, 0, 0, 0)
    # Level 6 lands in the size class of the real images (about 5 KB).
    pixels = zlib.compress(b"".join(lines), 6)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")
