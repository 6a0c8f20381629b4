"""The file that holds the admin's key: made at the first start, read at every later one."""

import os
import re
import secrets
from pathlib import Path

from openwa_manager.domain.access.callers import ADMIN_KEY, KeyId
from openwa_manager.domain.errors import ConfigError
from openwa_manager.host.files import write_file
from openwa_manager.host.own_files import read_private

_KEY = re.compile(r"owm_[a-z0-9]{1,32}_[A-Za-z0-9_-]{32,}")
#: 256 random bits: nobody guesses them, so that one SHA-256 is enough to keep them by.
_SECRET_BYTES = 32


def new_key_text(key_id: KeyId) -> str:
    """Return the text of a new key: `owm_<id>_<secret>`."""
    return f"owm_{key_id}_{secrets.token_hex(_SECRET_BYTES)}"


class AdminKeyFile:
    """The file with the key whose id is `admin`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> str | None:
        """Return the key; None when there is no file.

        Raises:
            ConfigError: others may read or have made the file, or it holds no key.
        """
        if not os.path.lexists(self._path):
            return None
        key = read_private(self._path).decode("ascii", errors="replace").strip()
        if _KEY.fullmatch(key) is None:
            raise ConfigError(
                f"{self._path} holds no key of the form owm_<id>_<secret>; write one into it, or remove it: the "
                "next start makes a new one, unless another key may do everything"
            )
        return key

    def make(self) -> str:
        """Return a new key, which the file (0600) holds from now on.

        Raises OSError when it cannot be written; then the file is as it was.
        """
        key = new_key_text(ADMIN_KEY)
        self.write(key)
        return key

    def write(self, key: str) -> None:
        """Have the file (0600) hold this key.

        Raises OSError when it cannot be written; then the file is as it was.
        """
        write_file(self._path, f"{key}\n".encode())

    def remove(self) -> None:
        """Remove the file, if there is one."""
        self._path.unlink(missing_ok=True)
