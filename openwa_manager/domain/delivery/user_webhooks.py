"""A webhook that a user keeps at a session's engine: the engine posts to us, and we to the user."""

from collections.abc import Mapping
from dataclasses import field

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class UserWebhook:
    """One webhook, as its user knows it and as its engine does.

    `token` is in the address the engine posts to. `webhook_id` is the engine's (None: it has not answered yet).
    `secret` signs our posts (None: they are unsigned). `relay_secret` signs the engine's posts to us; None means that
    the engine posts to `url` itself, as it did before we stood between. `record` is what callers are shown.
    `is_deleted` means that the engine still has it, for it did not run when it was deleted. `pending` are the fields
    that were given while no engine ran and that the next one is to be told (None: nothing is); one that was made so is
    known to callers by an id of ours, before and after.
    """

    token: str
    session_id: SessionId
    url: str
    webhook_id: str | None = None
    secret: str | None = field(default=None, repr=False)
    relay_secret: str | None = field(default=None, repr=False)
    record: Mapping[str, Json] = field(default_factory=dict)
    is_deleted: bool = False
    pending: Mapping[str, Json] | None = None

    @property
    def shown_id(self) -> str | None:
        """Return the id callers know it by; None when it is not known to them."""
        shown = self.record.get("id", self.webhook_id)
        return None if shown is None else str(shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptChanges:
    """What callers changed of a session while no engine ran.

    `webhooks` are those with something pending, oldest first; `deleted_ids` the engine's ids of those to be taken away;
    `config` what of the configuration is to be changed (None: nothing).
    """

    webhooks: tuple[UserWebhook, ...] = ()
    deleted_ids: frozenset[str] = frozenset()
    config: Mapping[str, Json] | None = None
