"""Reads QR symbols (level M, versions 1 to 12) and PNG images back, written apart from the code under test."""

import struct
import zlib
from itertools import product

Modules = list[list[bool]]

#: version -> (correction bytes per block, number of blocks), level M, ISO/IEC 18004 table 9.
BLOCKS = {
    1: (10, 1),
    2: (16, 1),
    3: (26, 1),
    4: (18, 2),
    5: (24, 2),
    6: (16, 4),
    7: (18, 4),
    8: (22, 4),
    9: (22, 5),
    10: (26, 5),
    11: (30, 5),
    12: (22, 8),
}
#: Alignment centres, ISO/IEC 18004 annex E.
CENTRES: dict[int, list[int]] = {
    1: [],
    2: [6, 18],
    3: [6, 22],
    4: [6, 26],
    5: [6, 30],
    6: [6, 34],
    7: [6, 22, 38],
    8: [6, 24, 42],
    9: [6, 26, 46],
    10: [6, 28, 50],
    11: [6, 30, 54],
    12: [6, 32, 58],
}
MASKS = (
    lambda row, column: (row + column) % 2,
    lambda row, _: row % 2,
    lambda _, column: column % 3,
    lambda row, column: (row + column) % 3,
    lambda row, column: (row // 2 + column // 3) % 2,
    lambda row, column: row * column % 2 + row * column % 3,
    lambda row, column: (row * column % 2 + row * column % 3) % 2,
    lambda row, column: ((row + column) % 2 + row * column % 3) % 2,
)


def read_png(png: bytes) -> tuple[int, int, bytes]:
    """Return width, height and the RGBA pixels of an unfiltered PNG; every checksum is checked."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        kind, content = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", png, at + 8 + length)[0] == zlib.crc32(kind + content)
        chunks[kind] = content
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, *form = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert form == [8, 6, 0, 0, 0]
    raw = zlib.decompress(chunks[b"IDAT"])
    stride = 1 + 4 * width
    assert len(raw) == stride * height
    assert set(raw[::stride]) == {0}
    return width, height, b"".join(raw[line * stride + 1 : (line + 1) * stride] for line in range(height))


def modules_of(png: bytes, scale: int = 4, quiet: int = 4) -> Modules:
    """Return the modules in an image; every pixel of a module must agree, the quiet zone must be white."""
    width, height, pixels = read_png(png)
    assert width == height
    size = width // scale
    grid = [[False] * size for _ in range(size)]
    for row, column in product(range(height), range(width)):
        pixel = pixels[4 * (row * width + column) : 4 * (row * width + column) + 4]
        assert pixel in {b"\x00\x00\x00\xff", b"\xff\xff\xff\xff"}
        is_dark = pixel[0] == 0
        if row % scale == 0 and column % scale == 0:
            grid[row // scale][column // scale] = is_dark
        assert grid[row // scale][column // scale] == is_dark
    inside = range(quiet, size - quiet)
    outside = (
        (row, column) for row, column in product(range(size), repeat=2) if row not in inside or column not in inside
    )
    assert not any(grid[row][column] for row, column in outside)
    return [[grid[row][column] for column in inside] for row in inside]


def _reserved(version: int) -> set[tuple[int, int]]:
    size = 4 * version + 17
    places = {(row, column) for row, column in product(range(size), repeat=2) if 6 in {row, column}}
    for row, column in product(range(9), range(9)):
        places |= {(row, column)}
        places |= {(row, size - 8 + column)} if column < 8 else set()
        places |= {(size - 8 + row, column)} if row < 8 else set()
    corners = {(6, 6), (6, size - 7), (size - 7, 6)}
    for centre in set(product(CENTRES[version], repeat=2)) - corners:
        places |= {(centre[0] + down, centre[1] + right) for down, right in product(range(-2, 3), repeat=2)}
    if version >= 7:
        for row, column in product(range(6), range(3)):
            places |= {(row, size - 11 + column), (size - 11 + column, row)}
    return places


def _codewords(modules: Modules, version: int, mask: int) -> bytes:
    size = len(modules)
    reserved = _reserved(version)
    columns = [column for column in range(size - 1, 0, -2) if column > 6] + [5, 3, 1]
    bits = ""
    for turn, right in enumerate(columns):
        for row in range(size - 1, -1, -1) if turn % 2 == 0 else range(size):
            for column in (right, right - 1):
                if (row, column) not in reserved:
                    bits += "01"[modules[row][column] ^ (MASKS[mask](row, column) == 0)]
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits) - 7, 8))


def _syndromes(block: bytes, count: int) -> list[int]:
    """Return the Reed-Solomon syndromes of a block; all are 0 in an undamaged one."""
    exponents = [1]
    for _ in range(254):
        exponents.append(exponents[-1] << 1 ^ (0x11D if exponents[-1] & 0x80 else 0))
    logarithms = {value: power for power, value in enumerate(exponents)}
    results = []
    for root in range(count):
        value = 0
        for word in block:
            value = (exponents[(logarithms[value] + root) % 255] if value else 0) ^ word
        results.append(value)
    return results


def read_qr(modules: Modules) -> bytes:
    """Return the payload of a symbol, after checking its format, version and every correction byte."""
    size = len(modules)
    version = (size - 17) // 4
    places = [(8, column) for column in (0, 1, 2, 3, 4, 5, 7, 8)] + [(row, 8) for row in (7, 5, 4, 3, 2, 1, 0)]
    form = int("".join("01"[modules[row][column]] for row, column in places), 2) ^ 0x5412
    assert form >> 13 == 0b00, "level M"
    check_count, block_count = BLOCKS[version]
    words = _codewords(modules, version, form >> 10 & 0b111)
    data_count = len(words) - check_count * block_count
    short = data_count // block_count
    long_count = data_count % block_count
    blocks: list[bytes] = []
    for number in range(block_count):
        is_long = number >= block_count - long_count
        data = [words[at * block_count + number] for at in range(short)]
        data += [words[short * block_count + number - (block_count - long_count)]] if is_long else []
        checks = words[data_count + number :: block_count]
        assert _syndromes(bytes(data) + checks, check_count) == [0] * check_count
        blocks.append(bytes(data))
    bits = "".join(f"{byte:08b}" for byte in b"".join(blocks))
    assert bits[:4] == "0100", "byte mode"
    count_bits = 8 if version < 10 else 16
    count = int(bits[4 : 4 + count_bits], 2)
    start = 4 + count_bits
    return bytes(int(bits[at : at + 8], 2) for at in range(start, start + 8 * count, 8))
