"""Holds the images of the code a session shows; only their hashes are ever stored."""

from openwa_manager.domain.session.session import Qr


class QrImages:
    """The images one supervisor was given."""

    def __init__(self) -> None:
        self._images: dict[str, bytes] = {}

    def add(self, sha256: str, image: bytes) -> None:
        """Hold an image until it is known which code is shown."""
        self._images[sha256] = image

    def keep_only(self, qr: Qr | None) -> bytes | None:
        """Drop the images of all codes but this one, and return its image; None when it was not given here."""
        self._images = {sha256: image for sha256, image in self._images.items() if qr and sha256 == qr.sha256}
        return self._images.get(qr.sha256) if qr else None

    def find(self, qr: Qr) -> bytes | None:
        """Return the image of a code; None when it is not held."""
        return self._images.get(qr.sha256)
