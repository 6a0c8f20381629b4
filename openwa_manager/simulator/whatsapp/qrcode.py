"""A small QR encoder: byte mode, error correction level M, versions 1 to 12 (ISO/IEC 18004)."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

#: version - 1 -> (error correction bytes per block, sizes of the data blocks), level M, ISO/IEC 18004 table 9.
_BLOCKS: tuple[tuple[int, tuple[int, ...]], ...] = (
    (10, (16,)),
    (16, (28,)),
    (26, (44,)),
    (18, (32,) * 2),
    (24, (43,) * 2),
    (16, (27,) * 4),
    (18, (31,) * 4),
    (22, (38,) * 2 + (39,) * 2),
    (22, (36,) * 3 + (37,) * 2),
    (26, (43,) * 4 + (44,)),
    (30, (50,) + (51,) * 4),
    (22, (36,) * 6 + (37,) * 2),
)
_BYTE_MODE = 0b0100
_LEVEL_M = 0b00
_FIELD_POLYNOMIAL = 0x11D
_FORMAT_POLYNOMIAL = 0x537
_FORMAT_MASK = 0x5412
_VERSION_POLYNOMIAL = 0x1F25

Modules = list[list[bool]]


class PayloadTooLongError(ValueError):
    """The payload does not fit into version 12."""


def encode_qr(payload: bytes) -> Modules:
    """Return the rows of the symbol, True for dark, without the quiet zone. Raises: PayloadTooLongError."""
    version = _smallest_version(len(payload))
    symbol = _Symbol.blank(version)
    symbol.place(_interleave(_codewords(payload, version), version))
    symbol.draw_format()
    return symbol.modules


def _count_bits(version: int) -> int:
    return 8 if version < 10 else 16


def _smallest_version(size: int) -> int:
    for version, (_, blocks) in enumerate(_BLOCKS, start=1):
        if 4 + _count_bits(version) + 8 * size <= 8 * sum(blocks):
            return version
    raise PayloadTooLongError(f"{size} bytes")


def _codewords(payload: bytes, version: int) -> bytes:
    """Return mode, length, payload and padding as the data bytes of the version."""
    capacity = sum(_BLOCKS[version - 1][1])
    bits = f"{_BYTE_MODE:04b}{len(payload):0{_count_bits(version)}b}" + "".join(f"{byte:08b}" for byte in payload)
    bits += "0" * min(4, 8 * capacity - len(bits))
    bits += "0" * (-len(bits) % 8)
    words = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
    return (words + b"\xec\x11" * capacity)[:capacity]


def _interleave(data: bytes, version: int) -> bytes:
    """Cut the data into blocks, add each block's correction bytes, and deal all of them out in turn."""
    check_size, sizes = _BLOCKS[version - 1]
    blocks: list[bytes] = []
    start = 0
    for size in sizes:
        blocks.append(data[start : start + size])
        start += size
    checks = [_remainder(block, check_size) for block in blocks]
    words = [block[at] for at in range(max(sizes)) for block in blocks if at < len(block)]
    words += [check[at] for at in range(check_size) for check in checks]
    return bytes(words)


def _multiply(left: int, right: int) -> int:
    """Multiply in GF(2^8)."""
    result = 0
    while right:
        if right & 1:
            result ^= left
        left = (left << 1) ^ (_FIELD_POLYNOMIAL if left & 0x80 else 0)
        right >>= 1
    return result


@lru_cache
def _generator(degree: int) -> tuple[int, ...]:
    """Return the Reed-Solomon generator polynomial without its leading 1, highest power first."""
    polynomial = [0] * (degree - 1) + [1]
    root = 1
    for _ in range(degree):
        shifted = [*polynomial[1:], 0]
        polynomial = [_multiply(word, root) ^ next_word for word, next_word in zip(polynomial, shifted, strict=True)]
        root = _multiply(root, 2)
    return tuple(polynomial)


def _remainder(block: bytes, degree: int) -> bytes:
    """Return the Reed-Solomon correction bytes of a block."""
    generator = _generator(degree)
    rest = [0] * degree
    for word in block:
        factor = word ^ rest[0]
        rest = [old ^ _multiply(by, factor) for old, by in zip([*rest[1:], 0], generator, strict=True)]
    return bytes(rest)


def _with_check_bits(value: int, polynomial: int) -> int:
    """Append the BCH check bits of `value`."""
    degree = polynomial.bit_length() - 1
    rest = value << degree
    while rest.bit_length() > degree:
        rest ^= polynomial << (rest.bit_length() - polynomial.bit_length())
    return value << degree | rest


def _alignment_centres(version: int) -> list[int]:
    """Return the rows (and columns) where alignment patterns are centred, for versions up to 12."""
    if version == 1:
        return []
    last = 4 * version + 10
    return [6, last] if version < 7 else [6, (6 + last) // 2, last]


@dataclass(frozen=True, slots=True)
class _Symbol:
    """A symbol being drawn; `is_fixed` marks the modules that carry no data."""

    version: int
    modules: Modules
    is_fixed: Modules

    @classmethod
    def blank(cls, version: int) -> "_Symbol":
        """Return a symbol with all function patterns and nothing else."""
        size = 4 * version + 17
        symbol = cls(version, [[False] * size for _ in range(size)], [[False] * size for _ in range(size)])
        for at in range(size):
            symbol._fix(6, at, is_dark=at % 2 == 0)
            symbol._fix(at, 6, is_dark=at % 2 == 0)
        for row, column in ((3, 3), (3, size - 4), (size - 4, 3)):
            symbol._draw_finder(row, column)
        symbol._draw_alignments()
        symbol._draw_version()
        symbol.draw_format()  # reserves its place; the bits are the final ones already
        return symbol

    @property
    def size(self) -> int:
        return len(self.modules)

    def place(self, words: bytes) -> None:
        """Fill the data modules in the zigzag order, under mask 0 (any mask is legal; 0 keeps this short)."""
        bits = (bool(word >> shift & 1) for word in words for shift in range(7, -1, -1))
        for turn, right in enumerate([*range(self.size - 1, 6, -2), 5, 3, 1]):
            rows = range(self.size - 1, -1, -1) if turn % 2 == 0 else range(self.size)
            for row, column in ((row, column) for row in rows for column in (right, right - 1)):
                if not self.is_fixed[row][column]:
                    self.modules[row][column] = next(bits, False) ^ ((row + column) % 2 == 0)

    def draw_format(self) -> None:
        """Write level and mask beside the finders, twice."""
        bits = _with_check_bits(_LEVEL_M << 3, _FORMAT_POLYNOMIAL) ^ _FORMAT_MASK
        last = self.size - 1
        near = [(0, 8), (1, 8), (2, 8), (3, 8), (4, 8), (5, 8), (7, 8), (8, 8), (8, 7)]
        near += [(8, 14 - at) for at in range(9, 15)]
        far = [(8, last - at) for at in range(8)] + [(last - 14 + at, 8) for at in range(8, 15)]
        for at in range(15):
            for row, column in (near[at], far[at]):
                self._fix(row, column, is_dark=bool(bits >> at & 1))
        self._fix(last - 7, 8, is_dark=True)

    def _fix(self, row: int, column: int, *, is_dark: bool) -> None:
        self.modules[row][column] = is_dark
        self.is_fixed[row][column] = True

    def _draw_finder(self, row: int, column: int) -> None:
        """Draw a finder with its white border, as far as it lies inside."""
        for down, right in product(range(-4, 5), repeat=2):
            if 0 <= row + down < self.size and 0 <= column + right < self.size:
                self._fix(row + down, column + right, is_dark=max(abs(down), abs(right)) not in {2, 4})

    def _draw_alignments(self) -> None:
        centres = _alignment_centres(self.version)
        for row, column in product(centres, repeat=2):
            if self.is_fixed[row][column] and 6 in {row, column} and self._touches_finder(row, column):
                continue
            for down, right in product(range(-2, 3), repeat=2):
                self._fix(row + down, column + right, is_dark=max(abs(down), abs(right)) != 1)

    def _touches_finder(self, row: int, column: int) -> bool:
        corner = self.size - 7
        return (row, column) in {(6, 6), (6, corner), (corner, 6)}

    def _draw_version(self) -> None:
        """Write the version number, which symbols from version 7 on carry, twice."""
        if self.version < 7:
            return
        bits = _with_check_bits(self.version, _VERSION_POLYNOMIAL)
        for at in range(18):
            along, across = self.size - 11 + at % 3, at // 3
            is_dark = bool(bits >> at & 1)
            self._fix(along, across, is_dark=is_dark)
            self._fix(across, along, is_dark=is_dark)
