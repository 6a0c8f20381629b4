import json

from tests.api.gateway.test_sessions import error, started
from tests.api.world import World

TEMPLATES, CONFIG = "/api/sessions/acme/templates", "/api/sessions/acme/config"
NOT_ACTIVE = (400, "Session 'acme' is not active. Start the session first.")


async def test_templates_are_known_while_no_engine_runs(peers: World) -> None:
    kept = (await peers.call("POST", TEMPLATES, {"name": "hello", "body": "Hello {{name}}"})).json
    gone = (await peers.call("POST", f"{TEMPLATES}/", {"name": "gone"})).json
    await peers.call("DELETE", f"{TEMPLATES}/{gone['id']}")
    await peers.call("POST", "/api/sessions/acme/stop")

    listed = await peers.call("GET", TEMPLATES)
    one = await peers.call("GET", f"{TEMPLATES}/{kept['id']}")
    other = error(await peers.call("GET", f"{TEMPLATES}/{gone['id']}"))

    assert kept["sessionId"] == "acme"
    assert (listed.status, json.loads(listed.raw)) == (200, [kept])
    assert (one.status, one.json) == (200, kept)
    assert other == (404, f"Template with id '{gone['id']}' not found")


async def test_the_configuration_is_known_while_no_engine_runs(peers: World) -> None:
    await peers.call("PATCH", CONFIG, {"autoRejectCalls": True})
    await peers.call("PATCH", CONFIG, {"maxReconnectAttempts": 3})
    await peers.call("POST", "/api/sessions/acme/stop")

    shown = await peers.call("GET", CONFIG)

    assert (shown.status, shown.json) == (200, {"autoRejectCalls": True, "maxReconnectAttempts": 3})


async def test_a_session_that_never_ran_has_neither(world: World) -> None:
    await world.call("POST", "/api/sessions", {"name": "acme"})

    assert (await world.call("GET", TEMPLATES)).raw == b"[]"
    assert (await world.call("GET", CONFIG)).json == {}


async def test_a_change_needs_the_engine(peers: World) -> None:
    await peers.call("POST", "/api/sessions/acme/stop")

    assert error(await peers.call("POST", TEMPLATES, {"name": "late"})) == NOT_ACTIVE
    assert error(await peers.call("PATCH", CONFIG, {"autoRejectCalls": True})) == NOT_ACTIVE


async def test_an_engine_without_such_a_call_says_so_itself(world: World) -> None:
    await started(world)

    assert error(await world.call("GET", TEMPLATES))[0] == 404


async def test_what_was_kept_goes_with_its_session(peers: World) -> None:
    await peers.call("POST", TEMPLATES, {"name": "hello"})
    await peers.call("DELETE", "/api/sessions/acme")
    await peers.call("POST", "/api/sessions", {"name": "acme"})

    assert (await peers.call("GET", TEMPLATES)).raw == b"[]"
