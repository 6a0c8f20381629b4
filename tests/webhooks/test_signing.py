import base64
import dataclasses
import hashlib
import hmac
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from openwa_manager.domain.delivery.delivery import ROTATION_S, Endpoint
from openwa_manager.domain.delivery.events import EndpointId
from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.webhooks.signing import check_secret, new_secret, signature_headers

NOW = 1_800_000_000.0
BODY = b'{"id":"evt_1","emoji":"\xf0\x9f\x98\x80"}'
plain_secrets = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda it: it[:6] != "whsec_")


def an_endpoint(secret: str, previous: str | None = None, rotated_at: float | None = None) -> Endpoint:
    return Endpoint(
        endpoint_id=EndpointId("ep_1"),
        url="https://example.org",
        secret=secret,
        previous_secret=previous,
        rotated_at=rotated_at,
        created_at=0.0,
        updated_at=0.0,
    )


def php_hash_hmac(body: bytes, secret: str) -> str:
    return hmac.new(secret.encode("utf-8"), body, hashlib.sha256).hexdigest()


@given(
    key=st.binary(min_size=24, max_size=64), event_id=st.from_regex(r"evt_[0-9A-Z]{26}", fullmatch=True), body=st.text()
)
def test_the_standard_library_of_receivers_accepts_what_we_sign(key: bytes, event_id: str, body: str) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()

    headers = signature_headers(an_endpoint(secret), event_id, NOW, (body or "{}").encode("utf-8", "replace"))

    signature = headers["webhook-signature"].removeprefix("v1,")
    signed = f"{event_id}.{int(NOW)}.".encode() + (body or "{}").encode("utf-8", "replace")
    assert base64.b64decode(signature) == hmac.digest(key, signed, "sha256")


def present() -> float:
    """Return the time of this very moment: the library refuses what is five minutes old."""
    return float(int(time.clock_gettime(time.CLOCK_REALTIME)))


def test_the_standardwebhooks_library_verifies_a_delivery() -> None:
    secret, now = new_secret(), present()

    headers = signature_headers(an_endpoint(secret), "evt_1", now, BODY)

    assert Webhook(secret).verify(BODY, headers) == {"id": "evt_1", "emoji": "😀"}


def test_a_changed_body_is_found_out() -> None:
    secret, now = new_secret(), present()
    headers = signature_headers(an_endpoint(secret), "evt_1", now, BODY)

    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY.replace(b"evt_1", b"evt_2"), headers)


@given(secret=plain_secrets, body=st.binary())
def test_a_plain_handler_verifies_with_the_text_of_the_secret(secret: str, body: bytes) -> None:
    headers = signature_headers(an_endpoint(secret), "evt_1", NOW, body)

    assert headers["X-OpenWA-Signature"] == "sha256=" + php_hash_hmac(body, secret)


@given(secret=plain_secrets)
def test_a_secret_without_prefix_signs_as_its_utf8_bytes(secret: str) -> None:
    headers = signature_headers(an_endpoint(secret), "evt_1", NOW, BODY)

    expected = hmac.digest(secret.encode(), f"evt_1.{int(NOW)}.".encode() + BODY, "sha256")
    assert headers["webhook-signature"] == "v1," + base64.b64encode(expected).decode()


def test_a_plain_handler_keys_with_the_whole_text_of_a_whsec_secret() -> None:
    secret = new_secret()

    headers = signature_headers(an_endpoint(secret), "evt_1", NOW, BODY)

    assert headers["X-OpenWA-Signature"] == "sha256=" + php_hash_hmac(BODY, secret)


def test_both_secrets_verify_for_a_day_after_a_rotation() -> None:
    old, new, now = new_secret(), new_secret(), present()
    endpoint = an_endpoint(new, previous=old, rotated_at=now - ROTATION_S + 1)

    headers = signature_headers(endpoint, "evt_1", now, BODY)

    assert Webhook(old).verify(BODY, headers) == Webhook(new).verify(BODY, headers)
    assert headers["X-OpenWA-Signature"] == "sha256=" + php_hash_hmac(BODY, new)
    assert headers["X-OpenWA-Signature-Previous"] == "sha256=" + php_hash_hmac(BODY, old)


def test_the_old_secret_is_of_no_use_after_a_day() -> None:
    old, new, now = new_secret(), new_secret(), present()
    endpoint = an_endpoint(new, previous=old, rotated_at=now - ROTATION_S)

    headers = signature_headers(endpoint, "evt_1", now, BODY)

    assert "X-OpenWA-Signature-Previous" not in headers
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(BODY, headers)


def test_a_prefix_before_something_that_is_no_base64_is_refused_and_signs_as_text() -> None:
    with pytest.raises(InvalidInputError, match="base64"):
        check_secret("whsec_not base64!")

    headers = signature_headers(an_endpoint("whsec_not base64!"), "evt_1", NOW, BODY)
    expected = hmac.digest(b"whsec_not base64!", f"evt_1.{int(NOW)}.".encode() + BODY, "sha256")
    assert headers["webhook-signature"] == "v1," + base64.b64encode(expected).decode()


def test_an_empty_secret_is_refused_and_others_are_accepted() -> None:
    for empty in ("", " ", "whsec_"):
        with pytest.raises(InvalidInputError, match="empty"):
            check_secret(empty)

    check_secret("any text")
    check_secret(new_secret())


def test_an_endpoint_does_not_show_its_secrets() -> None:
    endpoint = dataclasses.replace(an_endpoint("hidden", previous="hidden too"))

    assert "hidden" not in repr(endpoint)
