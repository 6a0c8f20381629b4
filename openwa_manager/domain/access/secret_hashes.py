"""What is kept of a secret: its hash, from which nobody gets it back."""

import hashlib


def sha256_of(secret: str) -> bytes:
    """Return the SHA-256 of a secret of 256 random bits, or of what was given in its place: lone surrogates too."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
