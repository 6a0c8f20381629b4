"""What is kept of a body that passes: all of it but the length of its long strings, however it is cut into parts."""

import json
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.api.gateway.media.skeletons import (
    CUT,
    KEPT_MAX_BYTES,
    STRING_MAX_BYTES,
    FormSkeleton,
    JsonSkeleton,
)

_TEXTS = st.one_of(st.text(max_size=20), st.just('\\"\\u00e9"\\'), st.just("é☃𝄞" * 3))
_BODIES = st.recursive(
    st.one_of(_TEXTS, st.integers(), st.booleans(), st.none()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=12,
)


def kept(skeleton: JsonSkeleton | FormSkeleton, raw: bytes, part_bytes: int) -> bytes:
    for at in range(0, len(raw), part_bytes):
        skeleton.feed(raw[at : at + part_bytes])
    return bytes(skeleton.kept)


@given(_BODIES, st.booleans(), st.integers(1, 40))
def test_without_long_strings_a_body_is_kept_as_it_is(body: object, is_ascii: bool, part_bytes: int) -> None:
    raw = json.dumps(body, ensure_ascii=is_ascii).encode()

    assert kept(JsonSkeleton(), raw, part_bytes) == raw


@given(st.integers(1, 30), st.sampled_from(["x", '"', "\\", "é", "☃", "\n"]), st.booleans())
def test_a_long_string_keeps_its_beginning_and_says_so(part_bytes: int, letter: str, is_ascii: bool) -> None:
    body = {"url": "http://a/" + letter * 2 * STRING_MAX_BYTES, "chatId": "1@c.us"}
    raw = json.dumps(body, ensure_ascii=is_ascii).encode()

    found = json.loads(kept(JsonSkeleton(), raw, part_bytes).decode("utf-8", "replace"))

    assert found["chatId"] == "1@c.us"
    assert found["url"].endswith(CUT)
    assert body["url"].startswith(found["url"].rstrip(CUT + "\ufffd"))
    assert len(json.dumps(found["url"])) > STRING_MAX_BYTES / 6


@pytest.mark.parametrize("part_bytes", [1_000, 1_000_000])
def test_of_a_large_image_hardly_anything_is_kept(part_bytes: int) -> None:
    raw = json.dumps({"base64": "A" * 20_000_000, "url": "http://a/"}).encode()

    assert len(kept(JsonSkeleton(), raw, part_bytes)) < STRING_MAX_BYTES + 100


def test_a_body_that_is_all_structure_is_not_kept_without_end() -> None:
    skeleton = JsonSkeleton()

    raw = kept(skeleton, b'["",' * 2_000_000, 65_536)

    assert skeleton.is_overfull
    assert len(raw) < KEPT_MAX_BYTES + 65_536


@given(st.lists(st.tuples(_TEXTS, _TEXTS), max_size=6), st.integers(1, 40))
def test_a_form_is_kept_as_it_is(fields: list[tuple[str, str]], part_bytes: int) -> None:
    raw = urlencode(fields).encode()

    assert kept(FormSkeleton(), raw, part_bytes) == raw


@pytest.mark.parametrize("part_bytes", [7, 1_000, 1_000_000])
def test_a_long_field_of_a_form_keeps_its_beginning_and_says_so(part_bytes: int) -> None:
    raw = urlencode({"url": "http://a/" + "é" * STRING_MAX_BYTES, "chatId": "1@c.us"}).encode()

    found = dict(parse_qsl(kept(FormSkeleton(), raw, part_bytes).decode()))

    assert found["chatId"] == "1@c.us"
    assert found["url"].startswith("http://a/é")
    assert found["url"].endswith(CUT)


def test_a_form_that_is_all_fields_is_not_kept_without_end() -> None:
    skeleton = FormSkeleton()

    kept(skeleton, b"a=b&" * 1_000_000, 65_536)

    assert skeleton.is_overfull
