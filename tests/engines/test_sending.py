"""Sending through an engine that lives: the simulator, and a real OpenWA where there is one."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from openwa_manager.domain.messaging.messages import Kind
from openwa_manager.domain.messaging.outcomes import (
    EngineLimited,
    MediaFile,
    NotConnected,
    Outgoing,
    Sent,
    Uncertain,
    judge,
)
from openwa_manager.domain.ports import CanSend
from openwa_manager.domain.session.stimuli import EngineReady, LinkReport, QrProduced
from tests.engines.rig import Rig, knowing, rigged

CHAT = "628123456789@c.us"
TEXT = Outgoing(chat_id=CHAT, kind=Kind.TEXT, text="Hello")


async def linked(rig: Rig) -> CanSend:
    """Bring the rig's engine up and link its account."""
    await rig.bring_up()
    ready = await rig.intake.first(EngineReady)
    assert ready.inner_id is not None
    rig.session = knowing(rig.session, ready.inner_id)
    await rig.intake.first(QrProduced)
    await rig.play("scan")
    await rig.link(LinkReport.CONNECTED)
    assert isinstance(rig.engine, CanSend)
    return rig.engine


async def test_a_text_is_sent(rig: Rig) -> None:
    engine = await linked(rig)

    verdict = judge(await engine.send(rig.session, rig.launch, TEXT, None))

    assert isinstance(verdict, Sent)
    assert verdict.message_id is not None


async def test_an_image_is_sent(rig: Rig, tmp_path: Path) -> None:
    engine = await linked(rig)
    (tmp_path / "m").write_bytes(b"x" * 2_000_000)
    media = MediaFile(path=tmp_path / "m", mimetype="image/png", filename="a.png", size_bytes=2_000_000)
    image = Outgoing(chat_id=CHAT, kind=Kind.IMAGE, text="Look", media=media)

    assert isinstance(judge(await engine.send(rig.session, rig.launch, image, None)), Sent)


async def test_an_engine_that_is_not_linked_sends_nothing(rig: Rig) -> None:
    await rig.bring_up()
    assert isinstance(rig.engine, CanSend)

    assert isinstance(judge(await rig.engine.send(rig.session, rig.launch, TEXT, None)), NotConnected)


@pytest.fixture
async def simulated(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged("simulator", tmp_path, env={"SIM_VERSION": "0.25"}) as rig:
        await rig.spawn()
        yield rig


@pytest.mark.parametrize(("mode", "kind"), [("429", EngineLimited), ("500", Uncertain)])
async def test_a_failing_engine_is_judged(simulated: Rig, mode: str, kind: type[object]) -> None:
    engine = await linked(simulated)
    await simulated.play(f"fail?mode={mode}&n=1")

    assert isinstance(judge(await engine.send(simulated.session, simulated.launch, TEXT, None)), kind)


async def test_the_same_key_gives_the_first_answer_again(simulated: Rig) -> None:
    engine = await linked(simulated)
    memory = await engine.memory(simulated.session, simulated.launch, simulated.directory)

    first = judge(await engine.send(simulated.session, simulated.launch, TEXT, "owm-msg_1"))
    again = judge(await engine.send(simulated.session, simulated.launch, TEXT, "owm-msg_1"), is_question=True)
    other = judge(await engine.send(simulated.session, simulated.launch, TEXT, "owm-msg_2"))

    assert memory.keeps_keys
    assert isinstance(first, Sent)
    assert again == first
    assert isinstance(other, Sent)
    assert other.message_id != first.message_id
    another = replace(TEXT, text="Another")
    mismatch = judge(await engine.send(simulated.session, simulated.launch, another, "owm-msg_1"), is_question=True)
    assert isinstance(mismatch, Uncertain)
    assert mismatch.is_lasting


async def test_the_engine_can_be_asked_about_numbers_chats_and_messages(simulated: Rig) -> None:
    engine = await linked(simulated)

    found = await engine.check_contact(simulated.session, simulated.launch, "628123456789")

    assert (found.exists, found.chat_id) == (True, CHAT)
    assert isinstance(await engine.list_chats(simulated.session, simulated.launch), list)
    assert isinstance(await engine.find_sent(simulated.session, simulated.launch, CHAT), list)
    assert await engine.read_restriction(simulated.session, simulated.launch) is None
