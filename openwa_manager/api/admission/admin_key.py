"""Makes the admin's key at the first start, and reads it at every later one."""

import os
import re
from pathlib import Path

from openwa_manager.domain.errors import ConfigError
from openwa_manager.host.files import write_file

_KEY = re.compile(r"owm_[a-z0-9]+_[A-Za-z0-9_-]{32,}")


def make_admin_key(path: Path) -> str:
    """Return the admin's key from its file, which is made (0600) when there is none.

    Raises:
        ConfigError: others may read the file, or it holds no key.
    """
    if not path.exists():
        write_file(path, f"owm_admin_{os.urandom(32).hex()}\n".encode())
    if path.stat().st_mode & 0o077:
        raise ConfigError(f"{path} can be read by others; run: chmod 600 {path}")
    key = path.read_text(encoding="ascii", errors="replace").strip()
    if _KEY.fullmatch(key) is None:
        raise ConfigError(f"{path} holds no key of the form owm_<id>_<secret>; remove it and start again for a new one")
    return key
