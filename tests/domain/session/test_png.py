from io import BytesIO

import segno
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.session.png import PNG_MAX_BYTES, is_whole_png
from tests.watcher.images import SIGNATURE, chunk, images, png


@given(image=images)
def test_a_whole_image_is_accepted(image: bytes) -> None:
    assert is_whole_png(image)


def test_what_another_encoder_draws_is_accepted() -> None:
    drawn = BytesIO()
    segno.make("2@0123456789,abc,def").save(drawn, kind="png", scale=4)

    assert is_whole_png(drawn.getvalue())


@given(image=images, data=st.data())
def test_any_truncation_is_rejected(image: bytes, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, len(image) - 1))

    assert not is_whole_png(image[:length])


@given(image=images, data=st.data())
def test_any_flipped_bit_is_rejected(image: bytes, data: st.DataObject) -> None:
    at, bit = data.draw(st.integers(0, len(image) - 1)), data.draw(st.integers(0, 7))
    torn = bytearray(image)
    torn[at] ^= 1 << bit

    assert not is_whole_png(bytes(torn))


@given(image=images, more=st.binary(min_size=1, max_size=100))
def test_anything_after_the_end_is_rejected(image: bytes, more: bytes) -> None:
    assert not is_whole_png(image + more)


@given(data=st.binary(max_size=400))
def test_arbitrary_bytes_are_rejected_without_an_error(data: bytes) -> None:
    assert not is_whole_png(data)
    assert not is_whole_png(SIGNATURE + data)


def test_an_image_without_pixels_is_rejected() -> None:
    assert not is_whole_png(SIGNATURE + chunk(b"IHDR", b"\x00" * 13) + chunk(b"IEND", b""))


def test_an_image_that_does_not_begin_with_its_header_is_rejected() -> None:
    body = png().removeprefix(SIGNATURE)

    assert not is_whole_png(SIGNATURE + chunk(b"tEXt", b"first") + body)


def test_an_image_larger_than_any_code_is_rejected() -> None:
    head, end = png()[:-12], png()[-12:]
    padding = chunk(b"tEXt", b"\x00" * PNG_MAX_BYTES)

    assert not is_whole_png(head + padding + end)
