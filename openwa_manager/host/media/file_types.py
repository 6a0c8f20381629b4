"""What a file is by its bytes, whatever its server says, and as what kind of message it can be sent."""

import re
from pathlib import PurePath

import puremagic

_KINDS = ("image", "video", "audio")
_BINARY, _TEXT = "application/octet-stream", "text/plain"
#: What a text does not have in it.
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
#: How that begins which is sent in chats most; puremagic 1.30 knows some of it only in part. The first that fits
#: counts.
_SIGNATURES = tuple(
    (re.compile(beginning, re.DOTALL), mimetype)
    for beginning, mimetype in (
        (rb"\xff\xd8\xff", "image/jpeg"),
        (rb"RIFF....WEBP", "image/webp"),
        (rb"RIFF....WAVE", "audio/wav"),
        (rb"RIFF....AVI ", "video/x-msvideo"),
        # Brands of ISO media files (ISO/IEC 14496-12), some without pictures, some that are one.
        (rb"....ftyp(M4[AB] |F4[AB] )", "audio/mp4"),
        (rb"....ftyphei[cx]", "image/heic"),
        (rb"....ftypm(if|sf)1", "image/heif"),
        (rb"....ftypavi[fs]", "image/avif"),
        (rb"....ftypqt  ", "video/quicktime"),
        (rb"....ftyp3g[p2]", "video/3gpp"),
        (rb"....ftyp", "video/mp4"),
        (rb"OggS.*theora", "video/ogg"),
        (rb"OggS", "audio/ogg"),
        (rb"\x1aE\xdf\xa3.{,60}webm", "video/webm"),
        (rb"\x1aE\xdf\xa3", "video/x-matroska"),
        (rb"#!AMR", "audio/amr"),
        # A frame of MPEG sound: its version and layer, but for those that are reserved and the first layer.
        (rb"ID3|\xff[\xe2\xe3\xf2-\xf5\xfa-\xfd]", "audio/mpeg"),
        (rb"\xff[\xf0\xf1\xf8\xf9]", "audio/aac"),
    )
)
#: Containers of pictures and sound that hold sound alone just as well.
_AS_SOUND = {
    "video/mp4": "audio/mp4",
    "video/3gpp": "audio/3gpp",
    "video/webm": "audio/webm",
    "video/ogg": "audio/ogg",
}


def mimetype_of(head: bytes, filename: str | None) -> str:
    """Return the type of a file that begins so; its name decides only between types that begin alike."""
    return _chat_type(head) or _known_type(head, filename) or (_TEXT if _is_text(head) else _BINARY)


def mimetype_as(kind: str, head: bytes, filename: str | None) -> str | None:
    """Return as what a file is sent in a message of this kind; None when it does not fit. Documents may be anything."""
    found = mimetype_of(head, filename)
    if kind not in _KINDS:
        return found
    if kind == "audio":
        found = _AS_SOUND.get(found, found)
    return found if found.startswith(f"{kind}/") else None


def _chat_type(head: bytes) -> str | None:
    return next((mimetype for beginning, mimetype in _SIGNATURES if beginning.match(head)), None)


def _known_type(head: bytes, filename: str | None) -> str | None:
    """Return what puremagic makes of it; None when it knows nothing."""
    try:
        matches = [match for match in puremagic.magic_string(head) if match.mime_type]
    except (puremagic.PureError, ValueError):
        return None
    extension = PurePath(filename or "").suffix.lower()
    named = (match.mime_type for match in matches if extension and match.extension == extension)
    if head.startswith(b"PK\x03\x04"):  # a dozen formats are such archives
        return next(named, "application/zip")
    return next(named, matches[0].mime_type if matches else None)


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # not just cut in the middle of a letter
            return False
    return bool(head) and not _CONTROL.search(head)
