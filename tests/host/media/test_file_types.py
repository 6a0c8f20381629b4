"""What a file is by its bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.host.media.file_types import mimetype_as, mimetype_of

ISO = b"\0\0\0\x20ftyp"
EBML = b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82"

PLAIN = [
    (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png"),
    (b"\xff\xd8\xff\xdb\0C", "image/jpeg"),
    (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
    (b"GIF89a\1\0", "image/gif"),
    (b"RIFF\x10\n\0\0WEBPVP8 ", "image/webp"),
    (b"RIFF\x10\0\0\0WAVEfmt ", "audio/wav"),
    (b"RIFF\x10\0\0\0AVI LIST", "video/x-msvideo"),
    (ISO + b"isom\0\0\2\0", "video/mp4"),
    (ISO + b"iso5\0\0\2\0", "video/mp4"),
    (ISO + b"M4A \0\0\2\0", "audio/mp4"),
    (ISO + b"qt  \0\0\2\0", "video/quicktime"),
    (ISO + b"3gp4\0\0\2\0", "video/3gpp"),
    (ISO + b"heic\0\0\0\0", "image/heic"),
    (ISO + b"avif\0\0\0\0", "image/avif"),
    (EBML + b"\x84webm", "video/webm"),
    (EBML + b"\x88matroska", "video/x-matroska"),
    (b"OggS\0\2" + b"\0" * 20 + b"\x01\x13OpusHead", "audio/ogg"),
    (b"OggS\0\2" + b"\0" * 20 + b"\x01\x2a\x80theora", "video/ogg"),
    (b"#!AMR\n", "audio/amr"),
    (b"ID3\3\0\0\0", "audio/mpeg"),
    (b"\xff\xfb\x90\x44", "audio/mpeg"),
    (b"\xff\xf3\x84\xc4", "audio/mpeg"),
    (b"\xff\xf1\x50\x80", "audio/aac"),
    (b"fLaC\0\0\0\x22", "audio/flac"),
    (b"%PDF-1.7\n", "application/pdf"),
    (b"PK\3\4\x14\0\6\0", "application/zip"),
    (b"<!DOCTYPE html><html>", "text/html"),
    (b"Name;Sum\n\xc3\xa9;1\n", "text/plain"),
    (b"cut in a letter \xe4\xb8", "text/plain"),
    (b"\xff\xfea\0b\0", "text/plain"),
    (b"\x80\x81\x82\x83\x84", "application/octet-stream"),
    (b"a\0b\0", "application/octet-stream"),
    (b"", "application/octet-stream"),
]


@pytest.mark.parametrize(("head", "mimetype"), PLAIN)
def test_a_file_is_known_by_how_it_begins(head: bytes, mimetype: str) -> None:
    assert mimetype_of(head, "misleading.exe") == mimetype


def test_a_name_decides_between_types_that_begin_alike() -> None:
    archive = b"PK\3\4\x14\0\6\0"

    assert mimetype_of(archive, "Report.XLSX") == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    assert mimetype_of(archive, None) == "application/zip"
    assert mimetype_of(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "report.pdf") == "image/png"


@pytest.mark.parametrize(
    ("kind", "head", "mimetype"),
    [
        ("image", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("image", b"%PDF-1.7\n", None),
        ("image", b"<!DOCTYPE html><html>", None),
        ("video", ISO + b"isom", "video/mp4"),
        ("video", b"GIF89a\1\0", None),
        ("video", ISO + b"M4A ", None),
        ("audio", ISO + b"isom", "audio/mp4"),
        ("audio", EBML + b"\x84webm", "audio/webm"),
        ("audio", b"\x80\x81\x82\x83\x84", None),
        ("document", ISO + b"isom", "video/mp4"),
        ("document", b"\x80\x81\x82\x83\x84", "application/octet-stream"),
    ],
)
def test_a_file_must_fit_the_kind_of_its_message(kind: str, head: bytes, mimetype: str | None) -> None:
    assert mimetype_as(kind, head, None) == mimetype


@given(head=st.binary(max_size=4096), filename=st.none() | st.text(max_size=300))
def test_whatever_a_file_holds_it_has_a_type(head: bytes, filename: str | None) -> None:
    main, _, sub = mimetype_of(head, filename).partition("/")

    assert main
    assert sub
