"""Is this image whole? A PNG is walked chunk by chunk; nothing is decoded."""

import struct
import zlib

#: A QR code is 2-20 KB; more than this is no QR code.
PNG_MAX_BYTES = 1 << 20

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD = struct.Struct(">I4s")  # PNG 3rd edition, 5.3: length, type, data, CRC-32 of type and data
_CRC = struct.Struct(">I")


def is_whole_png(data: bytes) -> bool:
    """Tell whether `data` is exactly one PNG: signature, IHDR first, some IDAT, IEND last, every CRC right, no more."""
    if len(data) > PNG_MAX_BYTES or not data.startswith(_SIGNATURE):
        return False
    kinds: list[bytes] = []
    at = len(_SIGNATURE)
    while at + _HEAD.size + _CRC.size <= len(data):
        length, kind = _HEAD.unpack_from(data, at)
        end = at + _HEAD.size + length
        if end + _CRC.size > len(data) or _CRC.unpack_from(data, end)[0] != zlib.crc32(data[at + 4 : end]):
            return False
        kinds.append(kind)
        at = end + _CRC.size
        if kind == b"IEND":
            return at == len(data) and kinds[0] == b"IHDR" and b"IDAT" in kinds
    return False
