import pytest

from tests.api.world import World

#: Each is known to the router in another way: a route, one below a session, none, and one of another method.
PATHS = ["/v1/sessions", "/api/sessions/acme/messages/send-text", "/v1/nothing", "/livez"]


@pytest.mark.parametrize("path", PATHS)
async def test_an_unknown_expectation_is_refused_in_our_words(world: World, path: str) -> None:
    head = f"POST {path} HTTP/1.1\nHost: localhost\nX-API-Key: {world.key}\nExpect: tea\nContent-Length: 0"

    status, headers = await world.raw(head)

    assert (status, "X-Request-ID" in headers) == (417, True)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("given", "status"), [("Host: evil.example", 421), ("Host: localhost", 401), ("Host: localhost\nX-API-Key: x", 401)]
)
@pytest.mark.parametrize("expected", ["tea", "100-continue"])
async def test_the_door_comes_before_any_expectation(
    world: World, path: str, given: str, status: int, expected: str
) -> None:
    head = f"POST {path} HTTP/1.1\n{given}\nExpect: {expected}\nContent-Length: 0"

    assert (await world.raw(head))[0] == status


async def test_a_caller_that_waits_is_told_to_go_on_once_it_is_let_in(world: World) -> None:
    head = f"POST /v1/sessions/stop HTTP/1.1\nHost: localhost\nX-API-Key: {world.key}\nExpect: 100-continue"

    status, _ = await world.raw(f"{head}\nContent-Type: application/json\nContent-Length: 2")

    assert status == 100


async def test_an_expectation_means_nothing_before_http_1_1(world: World) -> None:
    status, _ = await world.raw("GET /livez HTTP/1.0\nHost: localhost\nExpect: tea")

    assert status == 200


async def test_the_intake_refuses_unknown_expectations_too(world: World) -> None:
    head = "POST /hooks/a/b HTTP/1.1\nHost: localhost\nExpect: tea\nContent-Length: 0"

    assert (await world.raw(head, port=world.intake.port))[0] == 417


@pytest.mark.parametrize("path", PATHS[:3])
async def test_a_compressed_body_is_refused_unread(world: World, path: str) -> None:
    head = f"POST {path} HTTP/1.1\nHost: localhost\nX-API-Key: {world.key}\nContent-Encoding: gzip\nContent-Length: 9"

    assert (await world.raw(head))[0] == 415


async def test_an_identity_encoding_is_none(world: World) -> None:
    reply = await world.call("POST", "/v1/sessions/stop", {}, headers={"Content-Encoding": "identity"})

    assert reply.status == 202
