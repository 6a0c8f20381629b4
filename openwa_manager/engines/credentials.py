"""A verified copy of baileys' credentials: OpenWA answers a broken file with a new code (docs/openwa.md, Failures).

baileys writes `creds.json` in place, so a crash can leave half of it. All functions block; keep one while the session
is connected, restore only while no engine runs in the directory.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from pydantic import BaseModel

from openwa_manager.domain import foreign_json
from openwa_manager.domain.foreign_path import ForeignPath, of_session
from openwa_manager.domain.ports import CredentialFindings
from openwa_manager.domain.session.session import Session, SessionId
from openwa_manager.engines.mapping import inner_name
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.host.foreign.opening import names_in, plain_status_of, read_file
from openwa_manager.host.foreign.trees import remove
from openwa_manager.host.foreign.writing import move, write_file

KEPT_FILE = "creds.kept.json"
BROKEN_FILE = "creds.broken.json"
#: The file is 1-3 KB; something much larger is not it.
_MAX_BYTES = 1 << 20

#: Where OpenWA keeps the key that opens it (docs/openwa.md, Environment); it is longer than any key only in a file
#: that is not it.
_KEY_FILE = ("data", ".api-key")
_KEY_MAX_CHARS = 200


_SET_ASIDE = re.compile(r"corrupt-(\d{1,16})-[\w.-]{1,64}")


class _Account(BaseModel, defer_build=True):
    id: str


class _Credentials(BaseModel, defer_build=True):
    me: _Account


def keep_credentials(directory: ForeignPath, session_id: SessionId) -> bool:
    """Copy the credentials if they are whole and changed since the last copy; tell whether they were copied."""
    current, kept = _read(_creds(directory, session_id)), directory.child(KEPT_FILE)
    if not _is_whole(current) or current == _read(kept):
        return False
    write_file(kept, current)
    return True


def can_restore_credentials(directory: ForeignPath, session_id: SessionId) -> bool:
    """Tell whether the credentials are there but broken (half-written, or without an account) and a whole copy is kept.

    Missing credentials are not broken: a logout on the phone wipes them.
    """
    creds = _creds(directory, session_id)
    return (
        plain_status_of(creds) is not None
        and not _is_whole(_read(creds))
        and _is_whole(_read(directory.child(KEPT_FILE)))
    )


def examine(directory: ForeignPath, session_id: SessionId) -> CredentialFindings:
    """Return what is wrong with the credentials, and whether that can be mended."""
    return CredentialFindings(
        can_be_restored=can_restore_credentials(directory, session_id),
        set_aside=find_set_aside(directory, session_id),
    )


def find_set_aside(directory: ForeignPath, session_id: SessionId) -> str | None:
    """Return the newest directory into which OpenWA moved credentials that it could not read; None when there is none.

    It does so since 0.24 (docs/openwa.md, Versions).
    """
    own = _creds(directory, session_id).parent
    found = [match for place in (own, own.parent) for name in names_in(place) if (match := _SET_ASIDE.fullmatch(name))]
    return max(found, key=lambda match: int(match[1]))[0] if found else None


def restore_credentials(directory: ForeignPath, session_id: SessionId) -> bool:
    """Put the kept copy in place of broken credentials; tell whether that was done.

    The copy is used up: if it does not help, the account is linked no more, and a second try would only hide that. The
    broken file stays beside it for whoever wants to know.
    """
    if not can_restore_credentials(directory, session_id):
        return False
    creds = _creds(directory, session_id)
    move(creds, directory.child(BROKEN_FILE))
    move(directory.child(KEPT_FILE), creds)
    return True


def forget_credentials(directory: ForeignPath) -> None:
    """Remove the copies, once the account is unlinked."""
    for name in (KEPT_FILE, BROKEN_FILE):
        with suppress(NotADirectoryError):
            remove(directory.child(name))


def read_engine_key(directory: ForeignPath) -> str | None:
    """Return the key an OpenWA wrote down at its first boot: it refuses any other."""
    with suppress(OSError, UnicodeDecodeError):
        key = read_file(directory.child(*_KEY_FILE), _MAX_BYTES).decode("ascii").strip()
        return key if 0 < len(key) <= _KEY_MAX_CHARS else None
    return None


def _creds(directory: ForeignPath, session_id: SessionId) -> ForeignPath:
    return directory.child("data", "baileys", inner_name(session_id), "creds.json")


def _read(file: ForeignPath) -> bytes:
    """Return the file's bytes; none when it cannot be read or is no sane size."""
    try:
        return read_file(file, _MAX_BYTES)
    except OSError:
        return b""


def _is_whole(content: bytes) -> bool:
    try:
        _Credentials.model_validate(foreign_json.parse(content, max_values=None))
    except ValueError:
        return False
    return True


class CredentialKeeper:
    """What recipes of OpenWA do with the credentials of each session, in the pool for engines' files."""

    def __init__(self, files: EngineFiles) -> None:
        self._files = files

    async def keep_credentials(self, session: Session, directory: Path) -> None:
        """Keep a verified copy of baileys' credentials."""
        await self._in_files(keep_credentials, session, directory)

    async def examine_credentials(self, session: Session, directory: Path) -> CredentialFindings:
        """Tell whether baileys' credentials can be restored, and where OpenWA put some that it could not read."""
        look = partial(examine, of_session(directory), session.session_id)
        return await self._files.run(session.session_id, look)

    async def restore_credentials(self, session: Session, directory: Path) -> bool:
        """Put the kept copy in place of broken credentials, once; tell whether that was done."""
        return await self._in_files(restore_credentials, session, directory)

    async def forget_credentials(self, session: Session, directory: Path) -> None:
        """Remove the copies."""
        await self._files.run(session.session_id, partial(forget_credentials, of_session(directory)))

    async def _in_files(
        self, work: Callable[[ForeignPath, SessionId], bool], session: Session, directory: Path
    ) -> bool:
        return await self._files.run(session.session_id, partial(work, of_session(directory), session.session_id))
