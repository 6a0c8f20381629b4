import asyncio

from structlog.testing import capture_logs

from tests.api.world import World


async def test_calls_of_strangers_are_counted_and_their_paths_cut(world: World) -> None:
    path = "/a" * 3500

    with capture_logs() as lines:
        for _ in range(20):
            async with world.client.post(path) as answer:
                assert answer.status == 401

    (line,) = (line for line in lines if line["event"] == "requests_refused")
    assert (line["count"], line["method"], line["status"], line["path"]) == (1, "POST", 401, path[:200])
    assert not [line for line in lines if line["event"] == "request_answered"]


async def test_paths_of_those_with_a_key_are_cut_as_well(world: World) -> None:
    with capture_logs() as lines:
        await world.call("POST", "/v1" + "/a" * 3500)

    (line,) = (line for line in lines if line["event"] == "request_answered")
    assert len(line["path"]) == 200


async def test_what_followed_is_told_once_a_minute(world: World) -> None:
    loop = asyncio.get_running_loop()

    with capture_logs() as lines:
        for _ in range(3):
            async with world.client.post("/v1/sessions"):
                pass
        for handle in [each for each in vars(loop)["_scheduled"] if "RefusalLog._tell" in repr(each)]:
            handle._run()
            handle.cancel()

    assert [line["count"] for line in lines if line["event"] == "requests_refused"] == [1, 2]


async def test_a_stranger_is_told_by_the_address_that_the_proxy_says(world: World) -> None:
    with capture_logs() as lines:
        async with world.client.post("/v1/sessions", headers={"X-Forwarded-For": "192.0.2.7"}) as answer:
            assert answer.status == 401

    (line,) = (line for line in lines if line["event"] == "requests_refused")
    assert line["peer"] == "192.0.2.7"
