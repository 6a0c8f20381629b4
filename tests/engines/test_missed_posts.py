"""What an engine gave up posting while nobody listened, once a daemon has adopted it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from openwa_manager.domain.session.session import ProcessState
from openwa_manager.domain.session.stimuli import EngineEventReceived, EngineReady, LinkReport, WebhooksLost
from tests.engines.rig import SLOW_S, Rig, knowing, rigged

FAILURES = "/api/webhooks/delivery-failures"


@asynccontextmanager
async def having_missed(version: str, directory: Path) -> AsyncIterator[Rig]:
    """Give an engine that gave up posting a message, in the state in which it is adopted."""
    async with rigged("simulator", directory, env={"SIM_VERSION": version}) as rig:
        await rig.spawn()
        reported = await rig.bring_up()
        (ready,) = [each for each in reported if isinstance(each, EngineReady)]
        assert ready.inner_id is not None
        await rig.link(LinkReport.QR_READY)
        await rig.play("scan")
        await rig.link(LinkReport.CONNECTED)
        hooks = f"/api/sessions/{ready.inner_id}/webhooks"
        (hook,) = json.loads(await rig.call("GET", hooks))
        await rig.call("PUT", f"{hooks}/{hook['id']}", {"retryCount": 1})
        rig.intake.refuses = True
        await rig.play("receive?text=missed")
        async with asyncio.timeout(SLOW_S):
            while "message.received" not in await rig.call("GET", FAILURES):
                pass
        rig.intake.refuses = False
        rig.session = replace(knowing(rig.session, ready.inner_id), process=ProcessState.RUNNING)
        yield rig


async def test_a_version_that_can_posts_it_again(tmp_path: Path) -> None:
    async with having_missed("0.25", tmp_path) as rig:
        reported = await rig.bring_up()

        received = await rig.intake.first(EngineEventReceived)

        assert (received.type, received.data["body"]) == ("message.received", "missed")
        assert not [each for each in reported if isinstance(each, WebhooksLost)]
        assert json.loads(await rig.call("GET", FAILURES)) == []


async def test_what_cannot_be_posted_again_is_said_to_be_lost(tmp_path: Path) -> None:
    async with having_missed("0.23", tmp_path) as rig:
        reported = await rig.bring_up()

        (lost,) = [each for each in reported if isinstance(each, WebhooksLost)]

        assert lost.events == ("message.received",)


async def test_what_fails_again_is_said_to_be_lost_too(tmp_path: Path) -> None:
    async with having_missed("0.25", tmp_path) as rig:
        rig.intake.refuses = True
        reported = await rig.bring_up()

        (lost,) = [each for each in reported if isinstance(each, WebhooksLost)]

        assert "message.received" in lost.events
