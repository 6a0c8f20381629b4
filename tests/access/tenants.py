"""Two tenants of one daemon: a session each, with messages, batches, events, deliveries and an endpoint of its own."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import ClientResponse

from openwa_manager.domain.access.roles import Role
from tests.api.world import Reply, World
from tests.fakes.polling import until

#: What names each tenant, and a third one that there is not.
OWN, FOREIGN, ABSENT = "own", "other", "never"
#: What keys are limited to here.
OWN_SESSIONS = ("own_*",)
#: Where nobody listens.
_URL = "http://127.0.0.1:9/hook"
_EVENTS = ["session.created", "session.status"]


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """What there is of a tenant, by the names that the parameters of paths have; `marks` are words of nobody else."""

    names: Mapping[str, str]
    marks: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> str:
        return self.names[name]

    def is_told_in(self, text: str) -> list[str]:
        """Return which of the marks are in a text."""
        return sorted(mark for mark in self.marks if mark in text)

    def blurred(self, text: str) -> str:
        """Return a text in which no name tells which tenant is meant."""
        for name, value in sorted(self.names.items(), key=lambda item: -len(item[1])):
            text = text.replace(value, f"<{name}>")
        return text


#: What is never there, in the form of what is.
NOBODY = Tenant(
    names={
        "session_id": f"{ABSENT}_1_session_c",
        "id": f"{ABSENT}_1_session_c",
        "user_id": f"{ABSENT}-user",
        "message_id": "msg_00000000000000000000000000",
        "batch_id": "batch_00000000000000000000000000",
        "endpoint_id": "ep_00000000000000000000000000",
        "event_id": "evt_00000000000000000000000000",
        "key_id": "nobody000000",
        "number": "+4915100000003",
        "to": "+4915100000003",
    }
)


@dataclass(frozen=True, kw_only=True)
class Tenants:
    """The world, and who is in it."""

    world: World
    own: Tenant
    foreign: Tenant

    async def key(self, role: Role = Role.OPERATOR, *, qr: bool = False, chats: bool = False) -> str:
        """Make a key that is limited to the own sessions."""
        return await self.world.key_of(role, sessions=OWN_SESSIONS, qr=qr, chats=chats)

    async def ask(self, key: str, method: str, path: str, body: object = None, *, accept: str | None = None) -> Reply:
        """Call the API with a key."""
        headers = {"X-API-Key": key, **({"Accept": accept} if accept else {})}
        return await self.world.call(method, path, body, headers=headers)

    @asynccontextmanager
    async def stream(self, key: str, path: str, **headers: str) -> AsyncIterator[ClientResponse]:
        """Follow the events with a key."""
        given = {"X-API-Key": key, "Accept": "text/event-stream", **headers}
        async with self.world.client.get(path, headers=given) as answer:
            assert answer.status == 200
            yield answer


async def tenants_in(world: World) -> Tenants:
    """Return two tenants: the own one's session is stopped, the foreign one's runs and is linked."""
    foreign = await _furnished(world, FOREIGN, 2)
    await world.call("POST", f"/v1/sessions/{foreign['session_id']}/start?wait=20")
    await world.play(foreign["session_id"], "scan")
    await until(lambda: world.sessions.get(foreign["session_id"]).phone_number is not None)
    await world.play(foreign["session_id"], "receive?from=4915100000099&text=their-answer")
    own = await _furnished(world, OWN, 1)
    return Tenants(world=world, own=await _marked(world, own), foreign=await _marked(world, foreign))


async def _furnished(world: World, word: str, number: int) -> Tenant:
    """Make a stopped session, with a message and a batch that wait, an endpoint, and somebody who is suppressed."""
    session_id, user_id, to = f"{word}_{number}_session_a", f"{word}-user", f"+491510000000{number}"
    endpoint = await world.call("POST", "/v1/endpoints", {"url": _URL, "sessions": [session_id], "events": _EVENTS})
    labels = {"of": f"{word}-label"}
    await world.create(session_id=session_id, user_id=user_id, desired="stopped", labels=labels)
    await world.call("PATCH", f"/v1/sessions/{session_id}/queue", {"state": "paused"})
    given = {"to": to, "text": f"{word}-text", "reference": f"{word}-reference"}
    message = await world.call("POST", f"/v1/sessions/{session_id}/messages", given)
    assert message.status == 202, message.raw
    bulk = {"name": f"{word}-batch", "messages": [{**given, "reference": f"{word}-in-batch"}]}
    batch = await world.call("POST", f"/v1/sessions/{session_id}/messages/bulk", bulk)
    assert batch.status == 202, batch.raw
    suppressed = f"+491510000001{number}"
    await world.call("POST", f"/v1/users/{user_id}/suppressions", {"to": suppressed, "reason": f"{word}-reason"})
    key = await world.key_of(Role.VIEWER, sessions=(session_id,))
    return Tenant(
        names={
            "session_id": session_id,
            "id": session_id,
            "user_id": user_id,
            "message_id": str(message.json["message_id"]),
            "batch_id": str(batch.json["batch_id"]),
            "endpoint_id": str(endpoint.json["endpoint_id"]),
            "key_id": key.split("_")[1],
            "number": to,
            "to": suppressed,
        }
    )


async def _marked(world: World, tenant: Tenant) -> Tenant:
    """Return a tenant with the words that tell of him, wherever they stand."""
    session_id = tenant["session_id"]
    events = await world.call("GET", f"/v1/sessions/{session_id}/events?limit=1000")
    event_ids = re.findall(r'"id":"(evt_\w+)"', events.raw.decode())
    word = session_id.partition("_")[0]
    shown = await world.call("GET", f"/v1/sessions/{session_id}")
    facts = (shown.json[name] for name in ("phone_number", "push_name"))
    words = (f"{word}-{each}" for each in ("user", "label", "text", "reference", "in-batch", "batch", "reason"))
    texts = ("their-answer", "4915100000099") if word == FOREIGN else ()
    marks = {*tenant.names.values(), *event_ids, *words, *texts, *(str(each) for each in facts if each)}
    marks |= {each.removeprefix("+") for each in marks}
    return Tenant(names={**tenant.names, "event_id": event_ids[0]}, marks=frozenset(marks))
