"""Callers with less than the admin's rights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from openwa_manager.domain.access.roles import Role
from tests.api.world import Reply, World


@dataclass(frozen=True)
class Asker:
    """Calls the API with a key of its own."""

    world: World
    key: str

    async def __call__(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        return await self.world.call(method, path, body, headers={"X-API-Key": self.key, **(headers or {})})

    async def send_raw(self, path: str, data: bytes, content_type: str) -> Reply:
        """Post a body just as it is."""
        headers = {"X-API-Key": self.key, "Content-Type": content_type}
        async with self.world.client.post(path, data=data, headers=headers) as answer:
            return Reply(answer.status, dict(answer.headers), await answer.read())


async def asker(
    world: World, role: Role, *, sessions: Sequence[str] = ("*",), qr: bool = False, chats: bool = False
) -> Asker:
    """Return somebody with a new key of these rights."""
    return Asker(world, await world.key_of(role, sessions=sessions, qr=qr, chats=chats))
