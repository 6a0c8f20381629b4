"""Paths as users write them, with `~` for their home directory."""

from pathlib import Path

from openwa_manager.domain.errors import ConfigError


def expanded(path: Path | str) -> Path:
    """Return the path with `~` replaced by the user's home directory.

    Raises:
        ConfigError: nobody knows where that is: HOME is not set, and no user table has this user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"this user has no home directory, so {path} means nothing: set HOME") from error
