"""API keys: whom one lets in, from where and until when, and how much one may hand out who has one himself."""

import unicodedata
from dataclasses import field
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from openwa_manager.domain.access.addresses import ClientAddress
from openwa_manager.domain.access.callers import NOBODY_KNOWN, PAIRING_LINK, UNIX_SOCKET, Caller, KeyId
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.access.scopes import EVERY_SESSION, SessionScope
from openwa_manager.domain.values import dataclass

Network = IPv4Network | IPv6Network

#: All keys are in memory, and one list of them is one answer.
KEYS_MAX: Final = 1_000
#: What of them an admin for some sessions may have below him, so that there is room for the others.
KEYS_OF_LIMITED_MAX: Final = 100
#: How far ahead a key may end: whoever means longer means for ever.
EXPIRY_MAX_S: Final = 100 * 366 * 86_400.0
#: How long the secret before a rotation may go on holding: a week, for whoever deploys by hand.
OVERLAP_MAX_S: Final = 7 * 86_400.0


#: Who else acts, as the audit names them: no other key passes for one of these.
OWN_NAMES: Final = frozenset({"admin.key", UNIX_SOCKET.name, PAIRING_LINK, NOBODY_KNOWN, "the daemon", "daemon"})


def name_problem(name: str) -> str | None:
    """Return why no key may be called so; None: one may."""
    seen = "".join(each for each in name if unicodedata.category(each) != "Cf")  # what takes up no room is not seen
    if seen.strip().casefold() in OWN_NAMES:
        return "is taken by one who acts without such a key; choose another"
    if "owm_" in name:
        return "looks like the text of a key, and names are shown and recorded; choose another"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key; of its text only the SHA-256 is known.

    `allowed_ips` empty: from anywhere. `rate_per_s` and `rate_burst` None: as the settings say. `expires_at` (wall
    time) None: never. `previous_sha256` is the text before the last rotation, which holds until `previous_until` (wall
    time). `created_by` is the id of the key that made it, or what its maker is called who had none.
    """

    key_id: KeyId
    name: str
    role: Role
    secret_sha256: bytes = field(repr=False)
    created_at: float
    created_by: str
    scope: SessionScope = EVERY_SESSION
    has_qr: bool = False
    has_chats: bool = False
    allowed_ips: tuple[Network, ...] = ()
    rate_per_s: float | None = None
    rate_burst: float | None = None
    expires_at: float | None = None
    is_disabled: bool = False
    previous_sha256: bytes | None = field(default=None, repr=False)
    previous_until: float | None = None
    last_used_at: float | None = None

    @property
    def caller(self) -> Caller:
        """Return who asks with it."""
        return Caller(
            name=self.name,
            role=self.role,
            key_id=self.key_id,
            scope=self.scope,
            has_qr=self.has_qr,
            has_chats=self.has_chats,
            rate_per_s=self.rate_per_s,
            rate_burst=self.rate_burst,
        )

    @property
    def is_unlimited_admin(self) -> bool:
        """Tell whether it may do everything with every session, so that it may give out any key."""
        return self.role is Role.ADMIN and self.scope.is_unlimited and self.has_qr and self.has_chats

    def is_usable(self, at: float) -> bool:
        """Tell whether it lets anybody in at wall time `at`."""
        return not self.is_disabled and (self.expires_at is None or at < self.expires_at)

    def texts(self, at: float) -> set[bytes]:
        """Return the SHA-256 of each text that holds at wall time `at`, however usable the key is."""
        held = {self.secret_sha256}
        if self.previous_sha256 is not None and self.holds_previous(at):
            held.add(self.previous_sha256)
        return held

    def holds_previous(self, at: float) -> bool:
        """Tell whether the text before the last rotation still holds at wall time `at`."""
        return self.previous_until is not None and at < self.previous_until

    def admits(self, client: ClientAddress | None) -> bool:
        """Tell whether it may be used from there; None: nobody knows from where."""
        if not self.allowed_ips:
            return True
        return client is not None and any(client.ip in network for network in self.allowed_ips)


class Login:
    """What became of a key that was given."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKey(Login):
    """A key was given that lets in; `secret_sha256` tells its text from the one before or after a rotation."""

    caller: Caller
    secret_sha256: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedKey(Login):
    """A key was given that does not let in; `key_id` is the id of the key it is taken for, None: of none of ours."""

    key_id: KeyId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRevoked:
    """A key lets nobody in any more, or to less than it did; with `secret_sha256` only the text that has this hash.

    `asked_by` is the task of whoever asked for it, if any: his own call is told so, and goes on.
    """

    key_id: KeyId
    secret_sha256: bytes | None = field(default=None, repr=False)
    asked_by: object | None = field(default=None, repr=False, compare=False)


def is_within(key: ApiKey, caller: Caller) -> bool:
    """Tell whether a key allows no more than the caller may himself: of others he knows nothing."""
    return (
        caller.role.includes(key.role)
        and caller.scope.covers_all(key.scope.patterns)
        and caller.has_qr >= key.has_qr
        and caller.has_chats >= key.has_chats
    )


def outlasts(key: ApiKey, own: ApiKey) -> bool:
    """Tell whether a key would hold for longer, or from other places, than `own` does: nobody unbinds himself so."""
    is_longer = own.expires_at is not None and (key.expires_at is None or key.expires_at > own.expires_at)
    return is_longer or (bool(own.allowed_ips) and not _all_inside(key.allowed_ips, own.allowed_ips))


def is_narrowed(key: ApiKey, before: ApiKey) -> bool:
    """Tell whether a key that was changed no longer lets in all that it did: open calls may be of those."""
    return (
        not is_within(before, key.caller)
        or (key.is_disabled and not before.is_disabled)
        or (bool(key.allowed_ips) and not _all_inside(before.allowed_ips, key.allowed_ips))
    )


def _all_inside(inner: tuple[Network, ...], outer: tuple[Network, ...]) -> bool:
    """Tell whether every address of the one is one of the other; no network at all means every address."""
    return bool(inner) and all(any(_is_inside(each, around) for around in outer) for each in inner)


def _is_inside(inner: Network, outer: Network) -> bool:
    if isinstance(inner, IPv4Network):
        return isinstance(outer, IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and inner.subnet_of(outer)
