"""How each route of the gateway is asked about one tenant, and what it may answer.

The own tenant's session is not linked: what its OpenWA would do is refused in OpenWA's words. That a caller is told so,
and not that he may not, shows that he came as far as the engine.
"""

from collections.abc import Mapping
from typing import Final

from openwa_manager.api.gateway.forwarded import FORWARDED
from tests.access.rules import Rule, given, naming, rule

_ALL, _ONE = "/api/sessions", "/api/sessions/{id}"
#: Below `messages` OpenWA says of a session that there is not that it is not active.
_HIDDEN: Final = (404, 400)

#: By method and path, as the table of routes has them: what we answer ourselves.
_OWN: Final[Mapping[str, Rule]] = {
    "GET /api/health": rule(200, hidden=None),
    "GET /api/health/live": rule(200, hidden=None),
    "GET /api/health/ready": rule(200, hidden=None),
    "POST /api/auth/validate": rule(200, 201, hidden=None),
    "GET /api/webhooks": rule(200, hidden=None),
    "GET /api/search": rule(200, 400, 409, 501, 503, query="q=text&sessionId={session_id}"),
    f"GET {_ALL}": rule(200, hidden=None),
    f"POST {_ALL}": rule(409, body=naming(name="session_id")),
    f"GET {_ALL}/stats/overview": rule(200, hidden=None),
    f"GET {_ONE}": rule(200),
    f"DELETE {_ONE}": rule(204),
    f"GET {_ONE}/health": rule(200, 503),
    f"GET {_ONE}/qr": rule(200, 400, 409),
    f"POST {_ONE}/pairing-code": rule(201, 400, 409, body=given(phoneNumber="4915100000001")),
    f"POST {_ONE}/start": rule(200, 201, 400),
    f"POST {_ONE}/stop": rule(200, 201, 400),
    f"POST {_ONE}/logout": rule(200, 201, 400, 409),
    f"POST {_ONE}/force-kill": rule(200, 201, 400),
    f"POST {_ONE}/messages/send": rule(
        201, 400, 409, 503, hidden=_HIDDEN, body=given(to="4915100000001", text="hello")
    ),
    # What neither we nor an OpenWA of one session has is not there for anybody.
    "* /api/{rest:.*}": rule(404, path="/api/anything"),
    f"* {_ONE}/{{rest:.+}}": rule(200, 400, 404, 409, 501, 503, path=f"{_ONE}/anything"),
}

_TEXT = given(chatId="4915100000001@c.us", text="hello")
#: What is said to calls that are not about a chat.
_BODIES: Final = {
    "POST webhooks": given(url="http://192.0.2.1:9/a", events=["session.status"]),
    "PUT webhooks/{webhook_id}": given(events=["session.status"]),
    "PATCH config": given(autoRejectCalls=True),
    "POST messages/send-bulk": given(
        messages=[{"chatId": "4915100000001@c.us", "type": "text", "content": {"text": "hello"}}]
    ),
}


def _rule_of(line: str) -> Rule:
    """Return the rule of a call that the session's OpenWA answers."""
    has_body = not line.startswith("GET ")
    body = _BODIES.get(line, _TEXT) if has_body else None
    return rule(200, 201, 202, 204, 400, 404, 409, 422, 501, 503, hidden=_HIDDEN, body=body)


def _where(line: str) -> str:
    method, _, tail = line.partition(" ")
    return f"{method} {_ONE}/{tail}"


GATEWAY: Final[Mapping[str, Rule]] = {
    **{_where(line): _rule_of(line) for lines in FORWARDED.values() for line in lines},
    **_OWN,
}
