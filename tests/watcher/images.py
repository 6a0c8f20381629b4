"""PNG images as engines write them, and as Hypothesis invents them."""

import struct
import zlib

from hypothesis import strategies as st

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(seed: bytes = b"", side: int = 8) -> bytes:
    """Return a grey image; another seed gives another image."""
    pixel = zlib.crc32(seed) % 256
    rows = b"".join(b"\x00" + bytes((pixel + row) % 256 for _ in range(side)) for row in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    text = chunk(b"tEXt", b"seed\x00" + seed.hex().encode())
    return SIGNATURE + chunk(b"IHDR", header) + text + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


images = st.builds(png, st.binary(max_size=64), st.integers(1, 40))
