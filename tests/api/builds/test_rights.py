"""Whoever says which program an engine is reads its codes and chats: it takes the rights to both."""

import pytest

from openwa_manager.domain.access.roles import Role
from tests.api.world import World


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/builds", {"path": "/nowhere"}),
        ("POST", "/v1/builds/rollouts", {"version": "nothing"}),
        ("PATCH", "/v1/sessions/acme", {"build": None}),
    ],
)
async def test_an_admin_without_codes_or_chats_chooses_no_program(
    world: World, method: str, path: str, body: object
) -> None:
    await world.create(session_id="acme", desired="stopped")

    async def ask(*, qr: bool, chats: bool) -> int:
        key = await world.key_of(Role.ADMIN, qr=qr, chats=chats)
        return (await world.call(method, path, body, headers={"X-API-Key": key})).status

    assert [await ask(qr=True, chats=False), await ask(qr=False, chats=True)] == [403, 403]
    assert await ask(qr=True, chats=True) in (200, 404, 422)
