import base64

import pytest
import segno
from hypothesis import given, settings
from hypothesis import strategies as st

from openwa_manager.simulator.whatsapp.png import draw_png
from openwa_manager.simulator.whatsapp.qrcode import PayloadTooLongError, encode_qr
from tests.simulator.harness import Simulator
from tests.simulator.qr_reader import modules_of, read_qr

#: The largest payload of each version, level M, ISO/IEC 18004 table 7.
CAPACITIES = (14, 26, 42, 62, 84, 106, 122, 152, 180, 213, 251, 287)


@given(payload=st.binary(max_size=CAPACITIES[-1]))
@settings(deadline=None, max_examples=60)
def test_every_payload_can_be_read_back(payload: bytes) -> None:
    assert read_qr(encode_qr(payload)) == payload


@given(payload=st.binary(min_size=100, max_size=CAPACITIES[-1]))
@settings(deadline=None, max_examples=5)
def test_every_image_shows_its_modules(payload: bytes) -> None:
    modules = encode_qr(payload)

    assert modules_of(draw_png(modules)) == modules


@pytest.mark.parametrize("version", range(1, 13))
def test_a_full_symbol_is_the_one_segno_draws(version: int) -> None:
    payload = bytes(range(256))[-CAPACITIES[version - 1] :].ljust(CAPACITIES[version - 1], b"#")

    drawn = segno.make(payload, error="m", mode="byte", mask=0, boost_error=False, micro=False)

    assert encode_qr(payload) == [[bool(module) for module in row] for row in drawn.matrix]


@pytest.mark.parametrize("version", range(1, 12))
def test_the_smallest_version_that_fits_is_taken(version: int) -> None:
    capacity = CAPACITIES[version - 1]

    assert len(encode_qr(b"x" * capacity)) == 4 * version + 17
    assert len(encode_qr(b"x" * (capacity + 1))) == 4 * version + 21


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(PayloadTooLongError):
        encode_qr(b"x" * (CAPACITIES[-1] + 1))


def test_the_code_of_a_session_is_a_276_pixel_image_of_a_pairing_token(simulator: Simulator) -> None:
    session_id = simulator.create()
    simulator.start_session(session_id)
    simulator.wait_for(session_id, "qr_ready")

    data_url = str(simulator.ask("GET", f"/api/sessions/{session_id}/qr").fields["qrCode"])

    png = base64.b64decode(data_url.partition(",")[2], validate=True)
    payload = read_qr(modules_of(png))
    assert 2000 < len(png) < 7000
    assert len(modules_of(png)) == 61
    assert payload.startswith(b"2@")
    assert payload.count(b",") == 3
