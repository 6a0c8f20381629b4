import asyncio
import errno
import os
import resource
import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import pytest
from multidict import CIMultiDict

from openwa_manager.api.admission.peers.connection import is_own_user, peer_pid, unless_closed
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
    ):
        reply = await world.call(method, path, headers={"X-API-Key": "owm_wrong"})

        assert reply.status == 401


async def test_signs_of_life_need_no_key_and_tell_nothing(world: World) -> None:
    for path in ("/livez", "/readyz"):
        reply = await world.call("GET", path, headers={"X-API-Key": ""})

        assert (reply.status, reply.json) == (200, {"status": "ok"})


async def status_through_the_socket(world: World, headers: Mapping[str, str], host: str = "localhost") -> int:
    connector = aiohttp.UnixConnector(str(world.home / "manager.sock"))
    async with (
        aiohttp.ClientSession(connector=connector) as client,
        client.get(f"http://{host}{PATH}", headers=headers) as answer,
    ):
        return answer.status


async def test_the_unix_socket_needs_no_key_from_our_own_user(world: World) -> None:
    for host in ("localhost", "localhost:2790", "LOCALHOST"):
        assert await status_through_the_socket(world, {}, host) == 200


@pytest.mark.parametrize(
    "header",
    ["Forwarded", "X-Forwarded-For", "x-forwarded-proto", "X-Forwarded-Anything", "Via", "CF-Ray", "cf-connecting-ip"],
)
async def test_a_request_that_a_proxy_hands_on_to_the_socket_needs_a_key(world: World, header: str) -> None:
    assert await status_through_the_socket(world, {header: "x"}) == 401
    assert await status_through_the_socket(world, {header: "x", "X-API-Key": world.key}) == 200


@pytest.mark.parametrize("host", ["manager.example.com", "127.0.0.1", "localhost.evil", "anything"])
async def test_a_request_for_another_host_at_the_socket_needs_a_key(world: World, host: str) -> None:
    assert await status_through_the_socket(world, {}, host) == 401
    assert await status_through_the_socket(world, {"X-API-Key": world.key}, host) == 200


async def test_an_engine_is_refused_at_the_socket_whatever_key_it_has(world: World) -> None:
    world.engine_pids.add(os.getpid())

    assert await status_through_the_socket(world, {}) == 403
    assert await status_through_the_socket(world, {"X-API-Key": world.key}) == 403
    assert await status_with(world, {"X-API-Key": world.key}) == 200  # over TCP


@pytest.mark.parametrize("request_line", ["GET /v1/registry HTTP/1.0", "GET http://localhost/v1/registry HTTP/1.1"])
async def test_a_request_without_a_host_or_for_a_proxy_needs_a_key(world: World, request_line: str) -> None:
    reader, writer = await asyncio.open_unix_connection(world.home / "manager.sock")
    writer.write(f"{request_line}\r\n{'Host: localhost' if '1.1' in request_line else 'Accept: */*'}\r\n\r\n".encode())

    async with asyncio.timeout(20):
        assert b" 401 " in await reader.readline()
    writer.close()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells whether who connected still lives")
def test_who_connected_and_has_ended_since_is_nobody(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as kept:
        server.bind(path)
        server.listen()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            kept.connect(path)
            os.close(writer)
            os.read(reader, 1)
            os._exit(0)
        os.close(reader)
        peer, _ = server.accept()
        with peer:
            assert peer_pid(peer) == child
            os.close(writer)
            os.waitpid(child, 0)
            assert peer_pid(peer) is None


def test_a_peer_is_known_beside_a_thousand_engines() -> None:
    """A daemon has a descriptor for each engine."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2048), hard))
    try:
        ours, theirs = socket.socketpair()
        with ours, theirs, ExitStack() as opened:
            while (many := os.dup(ours.fileno())) < 1100:
                opened.callback(os.close, many)
            opened.callback(os.close, many)

            assert peer_pid(ours) == os.getpid()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


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


def test_a_peer_that_has_closed_its_side_is_nobody_where_the_system_forgets_it() -> None:
    """Elsewhere whoever hangs up before he is looked at would be an error of ours."""

    def told(error: int) -> int:
        raise OSError(error, "")

    assert unless_closed(lambda: 7) == 7
    assert unless_closed(lambda: told(errno.ENOTCONN)) is None
    with pytest.raises(OSError, match="Errno"):
        unless_closed(lambda: told(errno.ENOBUFS))


@pytest.mark.parametrize("others", ["owm_other_0", ""])
async def test_of_two_different_keys_none_counts(world: World, others: str) -> None:
    for keys in ([world.key, others], [others, world.key]):
        headers = CIMultiDict([("X-API-Key", each) for each in keys])
        async with world.client.get(PATH, headers=headers) as answer:
            assert answer.status == 401
