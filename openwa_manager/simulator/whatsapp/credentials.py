"""The baileys auth directory of a session: `data/baileys/<name>/`, written as carelessly as upstream does."""

import json
import os
import shutil
import time
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from openwa_manager.simulator.log import log


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The WhatsApp account a session is linked to."""

    phone: str
    push_name: str


def account_of(session_name: str) -> Account:
    """Return the account whose phone scans this session's code; the number is a hash of the name."""
    number = 0
    for character in session_name:
        number = (number * 31 + ord(character)) % 100_000_000
    return Account(phone=f"628{number:08d}", push_name=f"Mock {session_name}")


def _random_key() -> dict[str, str]:
    return {"type": "Buffer", "data": b64encode(os.urandom(32)).decode()}


class AuthDirectory:
    """The files that keep one session linked; `sets_aside`: what cannot be read is kept, as since 0.24."""

    def __init__(self, root: Path, session_name: str, *, sets_aside: bool = False) -> None:
        self._sets_aside = sets_aside
        self._path = root / session_name
        self._phone = account_of(session_name)

    def read_account(self) -> Account | None:
        """Return the linked account; None when there is none or the file is damaged, silently, as upstream."""
        try:
            creds = json.loads((self._path / "creds.json").read_text("utf-8"))
        except (OSError, ValueError) as error:
            if self._sets_aside and not isinstance(error, OSError):
                self._set_aside()
            return None
        try:
            me = creds["me"]
            return Account(phone=str(me["id"]).partition(":")[0], push_name=str(me.get("name", "")))
        except (TypeError, KeyError, AttributeError):
            return None

    def _set_aside(self) -> None:
        """Move the files to a directory of their own."""
        files = [file for file in self._path.iterdir() if file.is_file()]
        aside = self._path / f"corrupt-{time.time_ns() // 1_000_000}-{os.urandom(3).hex()}"
        aside.mkdir(mode=0o700)
        for file in files:
            file.rename(aside / file.name)
        log(f"Unreadable creds.json moved to {aside}", level="ERROR")

    def prepare(self) -> None:
        """Create the directory, private to its owner."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def link(self) -> None:
        """Store a fresh link to the account of the session's phone; not atomic, the weakness that upstream has."""
        self.prepare()
        creds = {
            "noiseKey": {"private": _random_key(), "public": _random_key()},
            "signedIdentityKey": {"private": _random_key(), "public": _random_key()},
            "registrationId": int.from_bytes(os.urandom(2), "big") >> 2,
            "advSecretKey": b64encode(os.urandom(32)).decode(),
            "nextPreKeyId": 31,
            "registered": True,
            "me": {"id": f"{self._phone.phone}:1@s.whatsapp.net", "name": self._phone.push_name},
            "account": {"details": "", "accountSignature": "", "deviceSignature": ""},
            "platform": "android",
        }
        for number in range(1, 4):
            key = {"private": _random_key(), "public": _random_key()}
            (self._path / f"pre-key-{number}.json").write_text(json.dumps(key), "utf-8")
        (self._path / "creds.json").write_text(json.dumps(creds), "utf-8")

    def wipe(self) -> None:
        """Remove every file of the link."""
        if self._path.is_dir():
            shutil.rmtree(self._path)
