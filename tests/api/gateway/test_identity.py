"""Which engine a caller reaches by an engine's own id."""

import json

from openwa_manager.domain.session.session import Session
from tests.api.world import World

INNER_ID = "659b1334-0c2a-4d5e-8f00-1a2b3c4d5e6f"


def detail_of(session: Session) -> str:
    return session.reason.detail if session.reason else ""


async def test_an_engine_that_claims_the_id_of_another_ones_session_does_not_come_up(peers: World) -> None:
    claim = {"SIM_PEER_ID": INNER_ID}
    await peers.create(session_id="first", env=claim, wait_for="connected")
    await peers.create(session_id="second", env=claim)

    refused = await peers.sessions.wait("second", lambda each: INNER_ID in detail_of(each), 20)
    reached = json.loads((await peers.call("GET", f"/api/sessions/{INNER_ID}/vice/echo")).raw)

    assert refused.inner_id is None
    assert "which is another session's id" in detail_of(refused)
    assert reached["head"].startswith(f"GET /api/sessions/{INNER_ID}/vice/echo")
    assert peers.sessions.get("first").inner_id == INNER_ID


async def test_an_engine_whose_id_is_no_uuid_does_not_come_up(peers: World) -> None:
    await peers.create(session_id="liar", env={"SIM_PEER_ID": "../../auth/api-keys?x="})

    refused = await peers.sessions.wait("liar", lambda each: "expected" in detail_of(each), 20)

    assert refused.inner_id is None
