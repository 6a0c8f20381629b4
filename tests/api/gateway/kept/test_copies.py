import json

import pytest

from tests.api.gateway.test_sessions import error, started
from tests.api.world import World

TEMPLATES, CONFIG = "/api/sessions/acme/templates", "/api/sessions/acme/config"
DEFAULTS = {"autoRejectCalls": False, "maxReconnectAttempts": None, "reconnectBaseDelay": 5000}


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
    assert (await world.call("GET", CONFIG)).json == DEFAULTS


async def test_templates_are_changed_by_a_running_engine_only(peers: World) -> None:
    await peers.call("POST", "/api/sessions/acme/stop")

    for method, path in (("POST", TEMPLATES), ("PUT", f"{TEMPLATES}/1"), ("DELETE", f"{TEMPLATES}/1")):
        refused = await peers.call(method, path, {"name": "late"})
        assert (refused.status, refused.json["code"]) == (409, "SESSION_NOT_STARTED")
        assert "Start the session first" in str(refused.json["message"])


async def at_engine(world: World) -> object:
    """Return the configuration that the session's engine has now."""
    await world.call("POST", "/api/sessions/acme/start")
    shown = (await world.call("GET", CONFIG)).json
    await world.call("POST", "/api/sessions/acme/stop")
    return shown


async def test_the_configuration_of_a_new_session_reaches_its_engine(world: World) -> None:
    config = {"autoRejectCalls": True, "maxReconnectAttempts": 50, "reconnectBaseDelay": 2000.5, "mine": 1}
    await world.call("POST", "/api/sessions", {"name": "acme", "config": config})
    wanted = {**DEFAULTS, "autoRejectCalls": True, "maxReconnectAttempts": 20}

    assert (await world.call("GET", CONFIG)).json == wanted
    assert await at_engine(world) == wanted


async def test_a_configuration_changed_while_no_engine_runs_reaches_the_next(world: World) -> None:
    await world.call("POST", "/api/sessions", {"name": "acme"})
    await world.call("PATCH", CONFIG, {"autoRejectCalls": True, "maxReconnectAttempts": 3})
    changed = await world.call("PATCH", CONFIG, {"autoRejectCalls": None, "reconnectBaseDelay": 1000})
    wanted = {**DEFAULTS, "maxReconnectAttempts": 3, "reconnectBaseDelay": 1000}

    assert (changed.status, changed.json) == (200, wanted)
    assert await at_engine(world) == wanted
    assert (await world.call("PATCH", CONFIG, {"maxReconnectAttempts": 4})).status == 200
    assert await at_engine(world) == {**wanted, "maxReconnectAttempts": 4}


@pytest.mark.parametrize(
    "body",
    [{"maxReconnectAttempts": 21}, {"reconnectBaseDelay": 999}, {"autoRejectCalls": 1}, {"unknown": 1}, [], None],
)
async def test_what_openwa_would_refuse_of_a_configuration_is_refused(world: World, body: object) -> None:
    await world.call("POST", "/api/sessions", {"name": "acme"})

    assert error(await world.call("PATCH", CONFIG, body))[0] == 400
    assert (await world.call("GET", CONFIG)).json == DEFAULTS


async def test_an_engine_without_such_a_call_says_so_itself(world: World) -> None:
    await started(world)

    assert error(await world.call("GET", TEMPLATES))[0] == 404


async def test_what_was_kept_goes_with_its_session(peers: World) -> None:
    await peers.call("POST", TEMPLATES, {"name": "hello"})
    await peers.call("DELETE", "/api/sessions/acme")
    await peers.call("POST", "/api/sessions", {"name": "acme"})

    assert (await peers.call("GET", TEMPLATES)).raw == b"[]"
