"""Makes the admin's key at the first start, and reads it at every later one."""

import os
import re
from pathlib import Path

from openwa_manager.domain.errors import ConfigError
from openwa_manager.host.files import write_file
from openwa_manager.host.own_files import read_private

_KEY = re.compile(r"owm_[a-z0-9]+_[A-Za-z0-9_-]{32,}")


def make_admin_key(path: Path) -> str:
    """Return the admin's key from its file, which is made (0600) when there is none.

    Raises:
        ConfigError: others may read or have made the file, or it holds no key.
    """
    if not os.path.lexists(path):
        write_file(path, f"owm_admin_{os.urandom(32).hex()}\n".encode())
    key = read_private(path).decode("ascii", errors="replace").strip()
    if _KEY.fullmatch(key) is None:
        raise ConfigError(f"{path} holds no key of the form owm_<id>_<secret>; remove it and start again for a new one")
    return key
