"""What the versions of OpenWA do differently, as far as it shows from outside: one table (docs/openwa.md, Versions)."""

from collections.abc import Mapping
from dataclasses import dataclass

_SESSION = "/api/sessions/:sessionId"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One version: what it still lacks, and what it answers otherwise than the oldest one.

    `scope_status` is that of a key refused for its scope, `doubles_pauses` whether the pauses between the tries of a
    webhook double (else they grow by the first one). `redrives`: posts that were given up can be posted again.
    """

    number: str
    lacking_routes: frozenset[tuple[str, str]] = frozenset()
    lacking_fields: frozenset[str] = frozenset()
    lacking_events: frozenset[str] = frozenset()
    scope_status: int = 401
    doubles_pauses: bool = False
    keeps_idempotency_keys: bool = False
    redrives: bool = False
    further_events: frozenset[str] = frozenset()
    operator_routes: frozenset[tuple[str, str]] = frozenset()
    asks_admin_for_proxy: bool = False
    says_retry_after: bool = False
    sets_aside_credentials: bool = False


_OLD_EVENTS_LACK = (
    *("session.restriction", "presence.update", "group.join_request"),
    *("call.accepted", "call.rejected", "call.missed"),
)
#: By the value of SIM_VERSION. 0.11 and 0.23 were measured; 0.25 is as the changelog of 0.24 and the official SDK
#: describe it, never run.
RELEASES: Mapping[str, Release] = {
    "0.11": Release(
        number="0.11.0",
        lacking_routes=frozenset(
            {("POST", f"{_SESSION}/logout"), ("GET", f"{_SESSION}/config"), ("PATCH", f"{_SESSION}/config")}
        ),
        lacking_fields=frozenset({"engineLoaded", "restriction"}),
        lacking_events=frozenset(_OLD_EVENTS_LACK),
    ),
    "0.23": Release(number="0.23.0"),
    "0.25": Release(
        number="0.25.0",
        scope_status=403,
        doubles_pauses=True,
        keeps_idempotency_keys=True,
        redrives=True,
        further_events=frozenset({"event.response"}),
        operator_routes=frozenset({("GET", f"{_SESSION}/contacts/check/:number")}),
        asks_admin_for_proxy=True,
        says_retry_after=True,
        sets_aside_credentials=True,
    ),
}
DEFAULT = "0.23"
