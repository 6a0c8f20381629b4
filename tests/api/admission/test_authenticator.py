import os
import socket

import aiohttp
import pytest

from openwa_manager.api.admission.connection import is_own_user
from tests.api.world import World

PATH = "/v1/registry"


async def status_with(world: World, headers: dict[str, str], path: str = PATH) -> int:
    async with world.client.get(path, headers=headers) as answer:
        return answer.status


async def test_the_admin_key_opens_as_x_api_key_and_as_bearer(world: World) -> None:
    for headers in (
        {"X-API-Key": world.key},
        {"Authorization": f"Bearer {world.key}"},
        {"Authorization": f"bearer {world.key}"},
    ):
        assert await status_with(world, headers) == 200


async def test_no_key_and_every_wrong_key_get_the_same_401(world: World) -> None:
    details = set()
    wrong = ("", "owm_admin_", world.key[:-1], world.key + "0", world.key.upper(), "schlüssel")
    for headers in ({}, *({"X-API-Key": key} for key in wrong), {"Authorization": f"Basic {world.key}"}):
        reply = await world.call("GET", PATH, headers={"X-API-Key": "", **headers})
        assert (reply.status, reply.code) == (401, "unauthenticated")
        assert reply.headers["WWW-Authenticate"] == "Bearer"
        details.add(reply.json["detail"])

    assert len(details) == 1


async def test_nobody_without_a_key_learns_which_routes_exist(world: World) -> None:
    for method, path in (
        ("GET", "/nope"),
        ("PUT", "/v1/sessions"),
        ("GET", "/v1/sessions/unknown"),
        ("GET", "/openapi.json"),
    ):
        reply = await world.call(method, path, headers={"X-API-Key": "owm_wrong"})

        assert reply.status == 401


async def test_signs_of_life_need_no_key_and_tell_nothing(world: World) -> None:
    for path in ("/livez", "/readyz"):
        reply = await world.call("GET", path, headers={"X-API-Key": ""})

        assert (reply.status, reply.json) == (200, {"status": "ok"})


async def test_the_unix_socket_needs_no_key_from_our_own_user(world: World) -> None:
    connector = aiohttp.UnixConnector(str(world.home / "manager.sock"))
    async with aiohttp.ClientSession(connector=connector) as client, client.get(f"http://anything{PATH}") as answer:
        assert answer.status == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_users_process_is_not_one_of_ours() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert is_own_user(ours)
        os.seteuid(65534)
        try:
            assert is_own_user(ours)  # the peer is root
            theirs.close()
            mine, stranger = socket.socketpair()
        finally:
            os.seteuid(0)
        with mine, stranger:
            assert not is_own_user(mine)  # the pair was made by nobody
