"""Holds the images of the code a session shows; only their hashes are ever stored."""

import hashlib
from pathlib import Path

from openwa_manager.domain.session.session import Qr
from openwa_manager.watcher.qr import read_qr


class QrImages:
    """The images one supervisor was given, and the one the last daemon left in the session's directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._images: dict[str, bytes] = {}

    def add(self, sha256: str, image: bytes) -> None:
        """Hold an image until it is known which code is shown."""
        self._images[sha256] = image

    def keep_only(self, qr: Qr | None) -> bytes | None:
        """Drop the images of all codes but this one, and return its image; None when it was not given here."""
        self._images = {sha256: image for sha256, image in self._images.items() if qr and sha256 == qr.sha256}
        return self._images.get(qr.sha256) if qr else None

    def find(self, qr: Qr) -> bytes | None:
        """Return the image of a code; None when it is neither held nor in the directory."""
        return self._images.get(qr.sha256) or self._find_on_disk(qr.sha256)

    def _find_on_disk(self, sha256: str) -> bytes | None:
        """Return the image the last daemon showed, which is not in memory until the file has been looked at."""
        found = read_qr(self._directory)
        return found[0] if found and hashlib.sha256(found[0]).hexdigest() == sha256 else None
