"""A reset leaves nothing behind, takes little, and loses nobody who asks meanwhile."""

import threading
import time
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import psutil
import pytest

from tests.e2e.mock.running import NUMBER, Mock, mocking
from tests.e2e.peers.daemon import eventually


def test_everything_is_gone(mock: Mock) -> None:
    mock.link()
    mock.send(NUMBER)
    eventually(mock.books)
    mock.ask("PUT", "/v1/users/1/quota", {"messages_limit": 5})
    mock.ask("POST", "/v1/users/1/suppressions", {"to": NUMBER})
    mock.ask("POST", "/v1/endpoints", {"url": "http://127.0.0.1:9/x"})
    engines = [each for each in below(mock) if "openwa_manager.simulator" in each.cmdline()]

    mock.reset()

    assert mock.books() == []
    assert mock.ask("GET", "/v1/sessions").body["sessions"] == []
    assert mock.ask("GET", "/v1/users/1/suppressions").body["suppressions"] == []
    assert mock.ask("GET", "/v1/users/1/quota").body["messages_limit"] is None
    assert mock.ask("GET", "/v1/endpoints").body["endpoints"] == []
    assert {str(each["type"]) for each in events(mock)} <= {"manager.started"}
    assert len(engines) == 1
    assert eventually(lambda: not any(each.is_running() for each in engines))


def events(mock: Mock) -> list[dict[str, object]]:
    found = mock.ask("GET", "/v1/events").body["events"]
    assert isinstance(found, list)
    return [each for each in found if isinstance(each, dict)]


def below(mock: Mock) -> list[psutil.Process]:
    return psutil.Process(mock.process.pid).children(recursive=True)


def test_the_same_session_can_be_made_anew_at_once(mock: Mock) -> None:
    for _ in range(3):
        mock.link()
        assert mock.books() == []
        mock.send(NUMBER)
        eventually(mock.books)
        mock.reset()

    assert mock.status() is None


def test_who_connects_meanwhile_waits_and_is_not_refused(mock: Mock) -> None:
    resetting = threading.Thread(target=mock.reset, daemon=True)
    answers: list[int] = []

    resetting.start()
    while resetting.is_alive():
        with suppress(ConnectionResetError, HTTPException):  # the former daemon had this one already
            answers.append(mock.ask("GET", "/readyz", headers={}).status)
    resetting.join(30)

    assert set(answers) <= {200, 503}
    assert mock.ask("GET", "/readyz", headers={}).status == 200


def test_a_caller_who_does_not_wait_for_the_reset_gets_it_all_the_same(mock: Mock) -> None:
    mock.link()
    with suppress(TimeoutError):
        mock.ask("POST", "/_mock/reset", headers={}, within_s=0.01)

    eventually(lambda: mock.status() is None)


def test_many_resets_leave_nothing_behind(place: Path) -> None:
    with mocking(place, "--scan-after", "0") as mock:
        mock.reset()
        keeper = psutil.Process(mock.process.pid)
        files, memory_bytes = keeper.num_fds(), keeper.memory_info().rss
        for _ in range(20):
            mock.reset()
        (base,) = place.iterdir()

        eventually(lambda: keeper.num_fds() <= files)
        assert keeper.memory_info().rss - memory_bytes < 4 << 20
        eventually(lambda: len([each for each in base.iterdir() if each.is_dir()]) == 1)
        assert len(below(mock)) == 1


@pytest.mark.parametrize("pause_s", [0.0, 0.003, 0.03, 0.1])
def test_all_who_ask_at_once_are_answered(mock: Mock, pause_s: float) -> None:
    for _ in range(3):
        asking = [threading.Thread(target=mock.reset, daemon=True) for _ in range(3)]
        failed: list[object] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(threading, "excepthook", failed.append)

            for each in asking:
                each.start()
                time.sleep(pause_s)
            for each in asking:
                each.join(20)

        assert failed == []
        assert not any(each.is_alive() for each in asking)
