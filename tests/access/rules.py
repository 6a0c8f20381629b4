"""How each route of the control plane is asked about one tenant, and what it may answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tests.access.tenants import Tenant
from tests.api.world import Object

#: A body that names a tenant, or one that names nobody.
BodyOf = Callable[[Tenant], Object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One way to ask: a query whose `{names}` are those of a tenant, and a body."""

    query: str = ""
    body: BodyOf | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How a route is asked, and the statuses it may answer with.

    `allowed` are those for what is one's own. What is another's is answered as what was never there: with `hidden`;
    None means that the route is about nobody, so that it only must tell of nobody else. `path` stands in for the
    route's own where its parameters are no names of a tenant.
    """

    allowed: frozenset[int]
    hidden: frozenset[int] | None = frozenset({404})
    asks: tuple[Ask, ...] = (Ask(),)
    path: str | None = None


def rule(*allowed: int, hidden: tuple[int, ...] | None = (404,), path: str | None = None, **ask: object) -> Rule:
    """Return the rule of a route that is asked in one way."""
    statuses = None if hidden is None else frozenset(hidden)
    asked = Ask(**ask)  # type: ignore[arg-type]  # the table names real fields
    return Rule(allowed=frozenset(allowed), hidden=statuses, asks=(asked,), path=path)


def given(**members: object) -> BodyOf:
    """Return a body that names nobody."""
    return lambda _: dict(members)  # type: ignore[arg-type]  # the table gives what JSON can say


def naming(**names: str) -> BodyOf:
    """Return a body whose members have a tenant's values of these names."""
    return lambda tenant: {member: tenant[name] for member, name in names.items()}


_ONE, _OF_USER = "/v1/sessions/{session_id}", "/v1/users/{user_id}"
_MESSAGE, _BATCH, _ENDPOINT = "/v1/messages/{message_id}", "/v1/batches/{batch_id}", "/v1/endpoints/{endpoint_id}"
_KEY = "/v1/keys/{key_id}"

#: By method and path, as the table of routes has them.
CONTROL: Final[Mapping[str, Rule]] = {
    # Open to everybody.
    "GET /livez": rule(200, hidden=None),
    "GET /readyz": rule(200, hidden=None, query="verbose"),
    "GET /openapi.json": rule(200, hidden=None),
    # The pages of the package, which are the same for everybody.
    "GET /docs": rule(200, hidden=None),
    "GET /docs/search": rule(200, hidden=None, query="q=session"),
    "GET /docs/index.json": rule(200, hidden=None),
    "GET /docs/assets/{name}": rule(404, hidden=None),
    "GET /docs/{page}": rule(200, hidden=None, path="/docs/install"),
    "GET /docs/{folder}/{page}": rule(200, hidden=None, path="/docs/api/sessions"),
    # Links that are none, of which a client asks only so often; what links do is tested in tests/api/pairing.
    "GET /pair/{token}": rule(404, 429, hidden=None, path="/pair/none"),
    "POST /pair/{token}": rule(404, 429, hidden=None, path="/pair/none"),
    "GET /pair/{token}/events": rule(404, 429, hidden=None, path="/pair/none/events"),
    "POST /pair/{token}/code": rule(404, 429, hidden=None, path="/pair/none/code"),
    # Sessions.
    "POST /v1/sessions": rule(200, body=naming(session_id="session_id")),
    "GET /v1/sessions": rule(200, hidden=(200,), query="user_id={user_id}"),
    "POST /v1/sessions/stop": rule(202, hidden=None, body=given()),
    f"GET {_ONE}": rule(200),
    f"PATCH {_ONE}": rule(200, body=given(labels={"of": "own-label"})),
    f"DELETE {_ONE}": rule(204, 202),
    f"POST {_ONE}/start": rule(202),
    f"POST {_ONE}/stop": rule(202),
    f"POST {_ONE}/restart": rule(202),
    f"POST {_ONE}/logout": rule(202, 409, 502),
    f"GET {_ONE}/qr": rule(200, 204, 409),
    f"POST {_ONE}/pairing-code": rule(201, 409, 502, body=given(phone_number="+4915100000001")),
    f"POST {_ONE}/pairing-links": rule(201, 409, body=given()),
    f"GET {_ONE}/health": rule(200, 503),
    f"GET {_ONE}/logs": rule(200),
    f"GET {_ONE}/why": rule(200),
    "GET /v1/registry": rule(200, hidden=None),
    "GET /v1/system": rule(200, hidden=None),
    "GET /metrics": rule(200, hidden=None),
    "GET /v1/doctor": rule(200, query="session_id={session_id}"),
    # Messages.
    f"POST {_ONE}/messages": rule(202, body=given(to="+4915100000001", text="hello")),
    f"GET {_ONE}/messages": rule(200),
    f"POST {_ONE}/messages/bulk": rule(202, body=given(messages=[{"to": "+4915100000001", "text": "hello"}])),
    f"GET {_ONE}/batches": rule(200),
    f"GET {_ONE}/queue": rule(200),
    f"PATCH {_ONE}/queue": rule(200, body=given(state="active")),
    f"DELETE {_ONE}/queue": rule(200, 409, query="confirm=0"),
    f"GET {_MESSAGE}": rule(200),
    f"DELETE {_MESSAGE}": rule(200, 409),
    f"POST {_MESSAGE}/resend": rule(200, 202, 409),
    f"POST {_MESSAGE}/settle": rule(200, 409, body=lambda _: {"as": "sent"}),
    f"GET {_BATCH}": rule(200),
    f"PATCH {_BATCH}": rule(200, 409, body=given(state="active")),
    f"DELETE {_BATCH}": rule(200),
    # People.
    f"POST {_ONE}/contacts/check": rule(200, body=given(numbers=["+4915100000001"])),
    f"GET {_OF_USER}/quota": rule(200),
    f"PUT {_OF_USER}/quota": rule(200, body=given(messages_limit=50)),
    f"GET {_OF_USER}/suppressions": rule(200),
    f"POST {_OF_USER}/suppressions": rule(201, 200, body=given(to="+4915100000077")),
    f"GET {_OF_USER}/suppressions/{{to}}": rule(200),
    f"DELETE {_OF_USER}/suppressions/{{to}}": rule(204),
    # Its list is the user's: 409 says so to those who may know of the session.
    f"GET {_ONE}/suppressions": rule(409),
    f"POST {_ONE}/suppressions": rule(409, body=given(to="+4915100000077")),
    f"GET {_ONE}/suppressions/{{to}}": rule(409),
    f"DELETE {_ONE}/suppressions/{{to}}": rule(409),
    f"GET {_OF_USER}/contacts/{{number}}": rule(200),
    f"DELETE {_OF_USER}/contacts/{{number}}": rule(200),
    # Events, deliveries, endpoints.
    "GET /v1/events": rule(200, hidden=None, query="limit=1000"),
    f"GET {_ONE}/events": rule(200, query="tail=1000"),
    "GET /v1/deliveries": Rule(
        allowed=frozenset({200}),
        hidden=frozenset({200}),
        asks=(Ask(query="session_id={session_id}"), Ask(query="endpoint_id={endpoint_id}")),
    ),
    "POST /v1/deliveries/replay": Rule(
        allowed=frozenset({202}),
        hidden=frozenset({202}),
        asks=(
            Ask(body=naming(session_id="session_id")),
            Ask(body=naming(endpoint_id="endpoint_id")),
            Ask(body=lambda tenant: {"ids": [tenant["event_id"]]}),
        ),
    ),
    "GET /v1/endpoints": rule(200, hidden=None),
    "POST /v1/endpoints": rule(
        201,
        body=lambda tenant: {
            "url": "http://127.0.0.1:9/own",
            "sessions": [tenant["session_id"]],
            "events": ["session.status"],
        },
    ),
    f"GET {_ENDPOINT}": rule(200),
    f"PATCH {_ENDPOINT}": rule(200, body=given(events=["session.status"])),
    f"POST {_ENDPOINT}/rotate-secret": rule(200),
    f"POST {_ENDPOINT}/test": rule(200),
    f"POST {_ENDPOINT}/resume": rule(200),
    f"DELETE {_ENDPOINT}": rule(204),
    # Keys: what would hand out more than one has is 403, whether there is such a session or not.
    "GET /v1/keys": rule(200, hidden=None),
    "POST /v1/keys": rule(
        201,
        hidden=(403,),
        body=lambda tenant: {"name": "new", "role": "viewer", "sessions": [tenant["session_id"]]},
    ),
    f"GET {_KEY}": rule(200),
    f"PATCH {_KEY}": rule(200, body=given(name="changed")),
    f"POST {_KEY}/rotate": rule(200, body=given(overlap_s=60)),
    f"DELETE {_KEY}": rule(204),
    # The audit: the chain is made of the rows of all, so whoever is limited to sessions cannot have it checked.
    "GET /v1/audit": rule(200, hidden=(200,), query="session_id={session_id}"),
    "GET /v1/audit/verify": rule(403, hidden=None),
    # Builds are of all sessions.
    "GET /v1/builds": rule(403, hidden=None),
    "POST /v1/builds": rule(403, hidden=None, body=given(version="0.23.1")),
    "POST /v1/builds/check": rule(403, hidden=None, body=given(version="0.23.1")),
    "GET /v1/builds/{build}": rule(403, hidden=None, path="/v1/builds/0.23.1"),
    "DELETE /v1/builds/{build}": rule(403, hidden=None, path="/v1/builds/0.23.1"),
    "POST /v1/builds/rollouts": rule(
        403,
        hidden=(403,),
        body=lambda tenant: {"version": "0.23.1", "sessions": [tenant["session_id"]]},
    ),
    "GET /v1/builds/rollouts/{rollout_id}": rule(403, hidden=None, path="/v1/builds/rollouts/rol_1"),
    "DELETE /v1/builds/rollouts/{rollout_id}": rule(403, hidden=None, path="/v1/builds/rollouts/rol_1"),
}
