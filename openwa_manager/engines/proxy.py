"""A session's proxy inside OpenWA, whose API takes it at creation only and never shows it again."""

import sqlite3
from contextlib import closing
from pathlib import Path

import structlog

_log = structlog.get_logger()
_BUSY_TIMEOUT_S = 1.0


def change_proxy(directory: Path, name: str, proxy_url: str | None) -> None:
    """Write the proxy into the record OpenWA keeps of session `name`, while no engine runs in `directory`.

    None means no proxy. A session OpenWA does not know yet gets its proxy when it is created. A database that
    cannot be changed is left to OpenWA, which says better than we could what is wrong with it.
    """
    database = directory / "data" / "openwa.sqlite"
    if not database.is_file():
        return
    try:
        with closing(sqlite3.connect(database, timeout=_BUSY_TIMEOUT_S)) as connection, connection:
            connection.execute(
                'UPDATE sessions SET "proxyUrl" = ?, "proxyType" = NULL WHERE name = ? AND "proxyUrl" IS NOT ?',
                (proxy_url, name, proxy_url),
            )
    except sqlite3.Error as error:
        _log.warning("proxy_unchanged", database=str(database), error=str(error))
