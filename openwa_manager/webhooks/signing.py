"""How a receiver knows that a delivery is ours: Standard Webhooks, and the plain HMAC older handlers check."""

import base64
import binascii
import hashlib
import hmac
import secrets
import unicodedata
from functools import lru_cache

from openwa_manager.domain.delivery.delivery import Endpoint
from openwa_manager.domain.errors import InvalidInputError

_PREFIX = "whsec_"
#: Control and format characters (a byte order mark), lone surrogates: nobody types them, so the receiver has none.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs"})


def new_secret() -> str:
    """Return a fresh random secret, `whsec_…` with 32 bytes (standardwebhooks.com asks for 24 to 64)."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode("ascii")


def check_secret(secret: str) -> None:
    """Accept a secret that receivers can use: base64 after `whsec_`, or any other text, not empty.

    Raises:
        InvalidInputError: it is neither.
    """
    if not secret.strip():
        raise InvalidInputError("secret", "must not be empty")
    if any(unicodedata.category(character) in _INVISIBLE for character in secret):
        raise InvalidInputError("secret", "holds a line end or another invisible character: write it anew without")
    if secret.startswith(_PREFIX) and not _decoded(secret):
        raise InvalidInputError("secret", "what follows whsec_ must be base64, and not empty")


def signature_headers(endpoint: Endpoint, event_id: str, at: float, body: bytes) -> dict[str, str]:
    """Return the headers that sign `body` as sent at wall time `at`; for a day after a rotation both secrets sign."""
    timestamp = str(int(at))
    signed = f"{event_id}.{timestamp}.".encode() + body
    headers = {"webhook-id": event_id, "webhook-timestamp": timestamp}
    signatures = [_standard(endpoint.secret, signed)]
    headers["X-OpenWA-Signature"] = plain_signature(endpoint.secret, body)
    if endpoint.previous_secret is not None and endpoint.is_signed_twice(at):
        signatures.append(_standard(endpoint.previous_secret, signed))
        headers["X-OpenWA-Signature-Previous"] = plain_signature(endpoint.previous_secret, body)
    headers["webhook-signature"] = " ".join(signatures)
    return headers


def is_signed(body: bytes, secret: str, signature: str) -> bool:
    """Tell whether `signature` is the hex HMAC-SHA256 of the body, with or without `sha256=` before it."""
    wanted = _hex_digest(secret, body).encode()
    arguments = signature.removeprefix("sha256=").lower().encode("utf-8", "surrogateescape")
    return hmac.compare_digest(arguments, wanted)


def _standard(secret: str, signed: bytes) -> str:
    decoded = _decoded(secret)
    key = secret.encode() if decoded is None else decoded
    return "v1," + base64.b64encode(_digest(key, signed)).decode("ascii")


def plain_signature(secret: str, body: bytes) -> str:
    """Return the plain HMAC, as OpenWA signs too."""
    return "sha256=" + _hex_digest(secret, body)


def _hex_digest(secret: str, body: bytes) -> str:
    return _digest(secret.encode(), body).hex()


def _digest(key: bytes, body: bytes) -> bytes:
    """Return the HMAC; that of a short body, unlike `hmac.digest`, without giving up the interpreter's lock."""
    keyed = _keyed(key).copy()
    keyed.update(body)
    return keyed.digest()


@lru_cache(maxsize=2_048)
def _keyed(key: bytes) -> hmac.HMAC:
    return hmac.new(key, digestmod=hashlib.sha256)


def _decoded(secret: str) -> bytes | None:
    """Return the key inside `whsec_<base64>`; None for a secret of another form, which is its own key."""
    if not secret.startswith(_PREFIX):
        return None
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        return None
