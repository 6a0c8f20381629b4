import os
import socket
import stat
from pathlib import Path

import aiohttp
import pytest

from openwa_manager.api.admission.authenticator import is_own_user, make_admin_key
from openwa_manager.domain.errors import ConfigError
from tests.api.world import ALLOWED_HOST, World

PATH = "/v1/registry"


async def status_with(world: World, headers: dict[str, str], path: str = PATH) -> int:
    async with world.client.get(f"http://127.0.0.1:{world.port}{path}", headers=headers) as answer:
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


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost:2790", "LOCALHOST", "[::1]:2790", ALLOWED_HOST, f"{ALLOWED_HOST.upper()}:443"]
)
async def test_a_host_of_ours_is_served(world: World, host: str) -> None:
    assert await status_with(world, {"X-API-Key": world.key, "Host": host}) == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "", "a b", "localhost:x", "[::2]", "localhost@evil"]
)
async def test_a_foreign_host_is_misdirected_whatever_the_key(world: World, host: str) -> None:
    status, headers = await world.raw(f"GET {PATH} HTTP/1.1\nHost: {host}\nX-API-Key: {world.key}")

    assert (status, headers["Content-Type"]) == (421, "application/problem+json")


async def test_a_request_without_host_is_misdirected(world: World) -> None:
    status, _ = await world.raw(f"GET {PATH} HTTP/1.0\nX-API-Key: {world.key}")

    assert status == 421


def test_the_admin_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "admin.key"

    key = make_admin_key(path)

    assert key.startswith("owm_admin_")
    assert make_admin_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_an_admin_key_others_can_read_is_refused_with_the_fix(tmp_path: Path) -> None:
    path = tmp_path / "admin.key"
    make_admin_key(path)
    path.chmod(0o640)

    with pytest.raises(ConfigError, match="chmod 600"):
        make_admin_key(path)


@pytest.mark.parametrize("content", ["", "\n", "owm_admin_short", "password"])
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "admin.key"
    path.write_text(content)
    path.chmod(0o600)

    with pytest.raises(ConfigError, match="remove it"):
        make_admin_key(path)


def test_a_half_written_key_of_a_crash_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "admin.key.part").write_text("owm_adm")

    assert make_admin_key(tmp_path / "admin.key").startswith("owm_admin_")
