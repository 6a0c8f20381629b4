"""Who asks."""

from typing import Final, NewType

from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.access.scopes import EVERY_SESSION, SessionScope
from openwa_manager.domain.values import dataclass

#: The part of a key that is no secret: `owm_<id>_<secret>`.
KeyId = NewType("KeyId", str)
#: The key in the file `admin.key`.
ADMIN_KEY: Final = KeyId("admin")

#: Who acts without a key, as the audit names him: by a pairing link, or with a key that lets nobody in.
PAIRING_LINK: Final = "pairing link"
NOBODY_KNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, and what he may.

    `name` is written into the log and the audit. `key_id` None: no key was needed, as through the unix socket.
    `scope` says of which sessions he may know. `has_qr`: he may see codes, which are logins. `has_chats`: he may see
    what people write, and to whom. `rate_per_s` and `rate_burst` None: as the settings say.
    """

    name: str
    role: Role
    key_id: KeyId | None = None
    scope: SessionScope = EVERY_SESSION
    has_qr: bool = False
    has_chats: bool = False
    rate_per_s: float | None = None
    rate_burst: float | None = None


#: Who asks through the unix socket: the daemon's own user, or root.
UNIX_SOCKET: Final = Caller(name="unix socket", role=Role.ADMIN, has_qr=True, has_chats=True)
