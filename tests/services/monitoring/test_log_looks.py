import asyncio
from pathlib import Path

import pytest

from openwa_manager.domain.errors import FilesStuckError
from openwa_manager.domain.foreign_path import of_session
from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.monitoring.log_looks import LogLooks, LogState
from tests.fakes.disk import PromptFiles
from tests.fakes.opens import noted_opens

NAMES = [SessionId(f"s{number}") for number in range(20)]


async def looked(
    looks: LogLooks, folder: Path, known: dict[SessionId, LogState | None] | None = None
) -> dict[SessionId, LogState | None]:
    """Ask for the logs of all at once."""
    async with asyncio.TaskGroup() as tasks:
        asked = {
            name: tasks.create_task(looks.look(name, of_session(folder / name), (known or {}).get(name)))
            for name in NAMES
        }
    return {name: task.result() for name, task in asked.items()}


async def test_those_that_are_asked_for_at_the_same_time_are_looked_at_in_one_go(tmp_path: Path) -> None:
    files = PromptFiles()
    looks = LogLooks(files)
    for number, name in enumerate(NAMES[1:], 1):
        (tmp_path / name).write_text("x" * number)

    states = await looked(looks, tmp_path)

    assert len(files.asked) == 1
    assert states[NAMES[0]] is None
    assert [state.size_bytes for state in states.values() if state is not None] == [*range(1, 20)]


async def test_only_a_log_that_has_changed_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = LogLooks(PromptFiles())
    for name in NAMES:
        (tmp_path / name).write_text("x")
    before = await looked(looks, tmp_path)
    opened = noted_opens(monkeypatch)

    assert await looked(looks, tmp_path, before) == before
    assert opened == []

    (tmp_path / NAMES[3]).write_text("longer")
    after = await looked(looks, tmp_path, before)
    assert {name for name in NAMES if after[name] != before[name]} == {NAMES[3]}
    assert opened != []


async def test_a_link_in_place_of_a_log_is_none(tmp_path: Path) -> None:
    looks = LogLooks(PromptFiles())
    (tmp_path / "elsewhere").write_text("x")
    (tmp_path / NAMES[0]).symlink_to(tmp_path / "elsewhere")

    assert await looks.look(NAMES[0], of_session(tmp_path / NAMES[0]), None) is None


async def test_a_log_that_does_not_answer_is_told_from_one_that_is_not_there(tmp_path: Path) -> None:
    files = PromptFiles()
    looks, place = LogLooks(files), of_session(tmp_path / NAMES[0])
    assert await looks.look(NAMES[0], place, None) is None

    files.error = FilesStuckError("no answer")

    with pytest.raises(FilesStuckError, match="does not answer"):
        await looks.look(NAMES[0], place, None)
