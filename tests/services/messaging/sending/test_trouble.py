"""An engine, a disk or a host of files that fails: a queue neither spins nor stops without saying why."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from openwa_manager.domain.errors import MediaUnavailableError
from openwa_manager.domain.messaging.batches import Batch, BatchOrigin, BatchState, BatchTerms
from openwa_manager.domain.messaging.messages import BatchId, Body, Kind, MessageStatus, SendRoute
from openwa_manager.domain.messaging.outcomes import Answered, MediaFile, NoAnswer, NotReached, SendAnswer
from openwa_manager.domain.messaging.retries import EngineMemory
from openwa_manager.services.messaging.media import MediaRequest, MediaStore
from openwa_manager.store.messaging.batches import add_batch
from tests.services.messaging.sending.queue_setup import NOW, ScriptedEngine, rig
from tests.store.messaging.samples import SESSION, new_message

S = MessageStatus
IMAGE = Body(kind=Kind.IMAGE, url="https://example.com/a.png", text="look", fallback_text="no picture")


async def test_a_message_in_flight_is_asked_about_though_its_file_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = list[MediaRequest]()

    async def fetch(_: MediaStore, request: MediaRequest) -> MediaFile:
        fetched.append(request)
        raise MediaUnavailableError("it is gone")

    monkeypatch.setattr(MediaStore, "fetch", fetch)
    async with rig(tmp_path) as made:
        made.engine.version = "0.25.0"
        made.engine.answer = lambda _: NoAnswer(detail="the line broke")
        message = await made.keep(replace(new_message(at=NOW, expires_at=NOW + 900), body=IMAGE))

        await made.pass_s(300.0, step_s=30.0)
        ended = await made.find(message.message_id)

    assert len(fetched) <= 4
    assert len(made.engine.asked) > 1
    assert {each.text for each in made.engine.asked} == {"no picture"}
    assert len({each.key for each in made.engine.asked}) == 1
    assert ended.status is S.UNKNOWN


async def test_a_message_in_flight_whose_file_is_gone_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    had = [MediaFile(path=tmp_path, mimetype="image/png", filename=None, size_bytes=1)]

    async def fetch(_: MediaStore, request: MediaRequest) -> MediaFile:
        if not had:
            raise MediaUnavailableError(f"{request.url} is gone")
        return had.pop()

    monkeypatch.setattr(MediaStore, "fetch", fetch)
    async with rig(tmp_path) as made:
        made.engine.version = "0.25.0"
        made.engine.answer = lambda _: NoAnswer(detail="the line broke")
        body = replace(IMAGE, fallback_text=None)
        message = await made.keep(replace(new_message(at=NOW, expires_at=NOW + 900), body=body))

        await made.pass_s(10.0, step_s=5.0)
        ended = await made.find(message.message_id)

    assert ended.status is S.UNKNOWN
    assert ended.error is not None
    assert "file" in ended.error.detail
    assert len(made.engine.asked) == 1


async def test_what_was_not_taken_goes_with_its_fallback_once_its_file_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    had = [MediaFile(path=tmp_path, mimetype="image/png", filename=None, size_bytes=1)]
    answers: list[SendAnswer] = [NotReached(detail="nobody listens"), Answered(http_status=201, message_id="3EB0")]

    async def fetch(_: MediaStore, request: MediaRequest) -> MediaFile:
        if not had:
            raise MediaUnavailableError(f"{request.url} is gone")
        return had.pop()

    monkeypatch.setattr(MediaStore, "fetch", fetch)
    async with rig(tmp_path) as made:
        made.engine.answer = lambda _: answers.pop(0)
        message = await made.keep(replace(new_message(at=NOW, expires_at=NOW + 900), body=IMAGE))

        await made.pass_s(10.0, step_s=5.0)
        ended = await made.find(message.message_id)

    assert ended.status is S.SENT
    assert [each.text for each in made.engine.asked] == ["look", "no picture"]


async def test_a_number_with_half_a_character_is_a_number(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        made.change(phone_number="852\ud800")
        message = await made.keep(new_message(at=NOW, expires_at=NOW + 900))

        await made.until(message.message_id, S.SENT)


async def test_an_engine_with_an_odd_id_of_its_own_is_sent_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def memory(*_: object) -> EngineMemory:
        return EngineMemory(version="0.25.0", inner_id="\ud800", data_id="\ud800")

    monkeypatch.setattr(ScriptedEngine, "memory", memory)
    async with rig(tmp_path) as made:
        message = await made.keep(new_message(at=NOW, expires_at=NOW + 900))

        await made.until(message.message_id, S.SENT)


async def test_once_an_engine_has_other_files_what_is_sent_to_it_can_be_asked_about_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_ids = ["at first"]

    async def memory(*_: object) -> EngineMemory:
        return EngineMemory(version="0.25.0", inner_id="inner", data_id=data_ids[-1])

    monkeypatch.setattr(ScriptedEngine, "memory", memory)
    async with rig(tmp_path) as made:
        broken, sent = NoAnswer(detail="the line broke"), Answered(http_status=201, message_id="3EB0")
        answers: list[SendAnswer] = [sent, broken, broken, sent]
        made.engine.answer = lambda _: answers.pop(0)
        ended = list[MessageStatus]()
        for _ in range(3):
            message = await made.keep(new_message(at=made.clock.now().at, expires_at=NOW + 900))
            data_ids.append("later")
            await made.pass_s(20.0, step_s=5.0)
            ended.append((await made.find(message.message_id)).status)

    assert ended == [S.SENT, S.UNKNOWN, S.SENT]


async def test_a_batch_of_the_gateway_s_waits_for_its_engine_as_others_do(tmp_path: Path) -> None:
    """Only the caller of a single send holds its answer."""
    batch = Batch(
        batch_id=BatchId("batch_1"),
        origin=BatchOrigin(session_id=SESSION, route=SendRoute.GATEWAY),
        state=BatchState.ACTIVE,
        terms=BatchTerms(expires_at=NOW + 900),
        accepted_count=1,
        created_at=NOW,
    )
    new = new_message(at=NOW, expires_at=NOW + 900, batch_id=batch.batch_id)
    async with rig(tmp_path) as made:
        await made.records.write(partial(add_batch, batch=batch))
        made.engine.answer = lambda _: Answered(http_status=429)
        message = await made.keep(replace(new, origin=replace(new.origin, route=SendRoute.GATEWAY)))
        waiting = await made.find(message.message_id)
        made.engine.answer = lambda _: Answered(http_status=201, message_id="ID")
        await made.pass_s(300.0, step_s=30.0)

        assert waiting.status is S.QUEUED
        assert (await made.find(message.message_id)).status is S.SENT
