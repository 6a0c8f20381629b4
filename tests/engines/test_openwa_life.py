"""One life of a session, played with the simulator and, where OPENWA_HOME names one, with a real OpenWA."""

import asyncio
import hashlib
import json
import signal
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from openwa_manager.domain.errors import EngineError, EngineTimeoutError
from openwa_manager.domain.ports import CanLogOut, CanPair
from openwa_manager.domain.session.png import is_whole_png
from openwa_manager.domain.session.stimuli import (
    EngineEventReceived,
    EngineReady,
    LinkReport,
    LinkReported,
    MessageAcknowledged,
    QrProduced,
)
from openwa_manager.engines.mapping import inner_name
from tests.engines.rig import SESSION_ID, Rig, knowing, rigged
from tests.fakes.clock import settle


async def paired(rig: Rig) -> str:
    """Bring the engine up, scan its code, and return its own name for the session."""
    ready = (await rig.bring_up())[0]
    assert isinstance(ready, EngineReady)
    await rig.intake.first(QrProduced)
    await rig.play("scan")
    await rig.link(LinkReport.CONNECTED)
    return ready.inner_id or ""


async def hooks(rig: Rig, inner_id: str) -> list[str]:
    return [hook["url"] for hook in json.loads(await rig.call("GET", f"/api/sessions/{inner_id}/webhooks"))]


async def test_the_engine_is_reported_ready_first_and_then_its_link(rig: Rig) -> None:
    reported = await rig.bring_up()

    assert isinstance(reported[0], EngineReady)
    assert reported[0].inner_id
    assert isinstance(reported[1], LinkReported)


async def test_a_code_is_seen_with_its_image(rig: Rig) -> None:
    await rig.bring_up()

    produced = await rig.intake.first(QrProduced)

    assert is_whole_png(produced.image)
    assert hashlib.sha256(produced.image).hexdigest() == produced.sha256


async def test_a_code_asked_for_twice_was_produced_once(rig: Rig) -> None:
    await rig.bring_up()
    produced = await rig.intake.first(QrProduced)

    again = await rig.code()

    assert again.sha256 == produced.sha256
    assert again.produced_at == pytest.approx(produced.produced_at, abs=0.001)


async def test_a_code_gets_no_younger_when_the_wall_clock_is_set_back(rig: Rig) -> None:
    await rig.bring_up()
    produced = await rig.intake.first(QrProduced)

    rig.clock.set_wall(-90)
    again = await rig.code()

    assert again.sha256 == produced.sha256
    assert again.produced_at == pytest.approx(produced.produced_at - 90, abs=0.001)


async def test_a_scan_connects_and_names_the_account(rig: Rig) -> None:
    await paired(rig)

    report = await rig.link(LinkReport.CONNECTED)

    assert report.phone_number
    assert report.phone_number.isdecimal()
    assert report.push_name


async def test_a_new_launch_connects_without_a_scan_under_the_same_inner_id(rig: Rig) -> None:
    inner_id = await paired(rig)

    await rig.start_again()

    await rig.link(LinkReport.CONNECTED)
    assert (await rig.intake.first(EngineReady)).inner_id == inner_id


async def test_a_new_launch_renews_the_one_webhook(rig: Rig) -> None:
    inner_id = await paired(rig)

    await rig.start_again()

    assert await hooks(rig, inner_id) == [rig.webhook_url]


async def test_bringing_up_twice_leaves_one_webhook_and_foreign_ones_alone(rig: Rig) -> None:
    inner_id = await paired(rig)
    foreign, double = "http://192.0.2.1:9/elsewhere", f"http://192.0.2.1:9/hooks/{SESSION_ID}/{uuid4()}"
    for url in (foreign, double):
        await rig.call("POST", f"/api/sessions/{inner_id}/webhooks", {"url": url})

    await rig.bring_up()

    assert sorted(await hooks(rig, inner_id)) == sorted([foreign, rig.webhook_url])


async def test_a_ban_is_told_with_its_reason(rig: Rig) -> None:
    await paired(rig)

    await rig.play("close?code=403")

    assert "(403)" in (await rig.link(LinkReport.BANNED)).detail


async def test_an_engine_that_was_replaced_is_not_set_going_again_by_bringing_it_up(rig: Rig) -> None:
    await paired(rig)
    await rig.play("close?code=440")
    await rig.link(LinkReport.REPLACED)

    reported = await rig.bring_up()

    assert isinstance(reported[1], LinkReported)
    assert reported[1].link is LinkReport.REPLACED


async def test_a_logout_on_the_phone_is_told(rig: Rig) -> None:
    await paired(rig)

    await rig.play("close?code=401")

    await rig.link(LinkReport.LOGGED_OUT)


async def test_a_lost_line_is_told_and_so_is_its_return(rig: Rig) -> None:
    await paired(rig)
    rig.intake.seen.clear()

    await rig.play("close?code=428")

    await rig.link(LinkReport.INITIALIZING)
    await rig.link(LinkReport.CONNECTED)


async def test_logging_out_wipes_the_credentials(rig: Rig) -> None:
    await paired(rig)
    creds = rig.directory / "data" / "baileys" / inner_name(SESSION_ID) / "creds.json"
    assert creds.exists()
    assert isinstance(rig.engine, CanLogOut)

    try:
        await rig.engine.log_out(rig.session, rig.launch)
    except EngineError as error:
        if "0.12" in str(error):
            pytest.skip(str(error))
        raise

    assert not creds.exists()


async def test_a_pairing_code_is_given_while_pairing_and_refused_afterwards(rig: Rig) -> None:
    await rig.bring_up()
    await rig.intake.first(QrProduced)
    assert isinstance(rig.engine, CanPair)

    code = await rig.engine.request_pairing_code(rig.session, rig.launch, "628123456789")

    assert len(code) == 8
    await rig.play("scan")
    await rig.link(LinkReport.CONNECTED)
    with pytest.raises(EngineError, match="pairing-code with 400"):
        await rig.engine.request_pairing_code(rig.session, rig.launch, "628123456789")


async def test_the_fate_of_a_message_is_told_by_its_whatsapp_id(rig: Rig) -> None:
    inner_id = await paired(rig)

    path, body = f"/api/sessions/{inner_id}/messages/send-text", {"chatId": "628123456789@c.us", "text": "hello"}
    message_id = json.loads(await rig.call("POST", path, body))["messageId"]

    for fate in ("sent", "delivered", "read"):  # they come in any order
        await rig.intake.first(MessageAcknowledged, lambda ack: ack == replace(ack, message_id=message_id, fate=fate))  # noqa: B023 awaited at once


async def test_a_message_that_arrives_is_handed_on_unchanged(rig: Rig) -> None:
    await paired(rig)

    await rig.play("receive?from=628777&text=hi")

    received = await rig.intake.first(EngineEventReceived)
    assert (received.type, received.data["body"], received.data["from"]) == ("message.received", "hi", "628777@c.us")


async def test_a_known_inner_id_saves_the_search(rig: Rig) -> None:
    inner_id = await paired(rig)

    (report,) = await rig.engine.observe(knowing(rig.session, inner_id), rig.launch)

    assert isinstance(report, LinkReported)
    assert report.link is LinkReport.CONNECTED


async def test_an_engine_with_another_key_is_a_stranger(kind: str, tmp_path: Path) -> None:
    async with rigged(kind, tmp_path) as rig:
        await rig.spawn(key="owk_another_key_0123456789abcdef012345")

        with pytest.raises(EngineError, match="stranger"):
            await rig.bring_up()


async def test_an_engine_that_stands_still_is_not_waited_for(tmp_path: Path) -> None:
    async with rigged("simulator", tmp_path, answer_timeout_s=0.2) as rig:
        await rig.spawn()
        await rig.bring_up()
        assert rig.process is not None
        rig.process.send_signal(signal.SIGSTOP)

        with pytest.raises(EngineTimeoutError, match="did not answer GET"):
            await rig.engine.observe(rig.session, rig.launch)


async def test_releasing_a_launch_ends_a_call_in_flight(tmp_path: Path) -> None:
    async with rigged("simulator", tmp_path, answer_timeout_s=60) as rig:
        await rig.spawn()
        await rig.bring_up()
        assert rig.process is not None
        rig.process.send_signal(signal.SIGSTOP)

        async with asyncio.TaskGroup() as tasks:
            call = tasks.create_task(outcome(rig))
            await settle()
            await rig.engine.release(rig.session, rig.launch)

        assert isinstance(call.result(), EngineError)


async def outcome(rig: Rig) -> EngineError | None:
    try:
        await rig.engine.observe(rig.session, rig.launch)
    except EngineError as error:
        return error
    return None


async def test_an_engine_that_does_not_hold_the_session_says_so(rig: Rig) -> None:
    inner_id = await paired(rig)
    await rig.call("DELETE", f"/api/sessions/{inner_id}")

    with pytest.raises(EngineError, match="does not hold the session"):
        await rig.engine.observe(rig.session, rig.launch)
