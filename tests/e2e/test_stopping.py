"""What endpoints hear of a daemon that is stopped, and that nothing on its way then is cut off or sent twice."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.peers.backend import Backend
from tests.e2e.peers.daemon import Daemon, eventually
from tests.fakes.ports import free_ports

Serve = Callable[..., Daemon]

OPEN = {"ALLOW_PRIVATE_ENDPOINTS": "true"}


@pytest.fixture
def backend() -> Iterator[Backend]:
    with Backend(free_ports(1)[0]) as running:
        yield running


def add(daemon: Daemon, url: str, *events: str) -> None:
    answer = daemon.ask("POST", "/v1/endpoints", {"url": url, "events": list(events) or ["*"]})
    assert answer.status == 201, answer.raw


def restart(daemon: Daemon, backend: Backend, path: str) -> None:
    """Stop the daemon, start it, and wait until it has told that path so."""
    before = backend.types(path).count("manager.started")
    assert daemon.terminate() == 0
    daemon.start()
    eventually(lambda: backend.types(path).count("manager.started") > before)


def test_the_end_is_told_once_and_before_the_daemon_is_gone(serve: Serve, backend: Backend) -> None:
    daemon = serve(settings=OPEN)
    add(daemon, backend.url("/hook"))

    daemon.terminate()
    told = backend.types("/hook").count("manager.stopping")
    daemon.start()
    eventually(lambda: backend.types("/hook")[-1] == "manager.started")

    assert told == 1
    assert backend.types("/hook").count("manager.stopping") == 1


def test_a_slow_post_is_waited_for_and_not_repeated(serve: Serve, backend: Backend) -> None:
    daemon = serve(settings=OPEN)
    add(daemon, backend.url("/slow"), "session.created")
    add(daemon, backend.url("/hook"), "manager.*")
    backend.pauses_s["/slow"] = 2.0
    daemon.create("acme", desired="stopped")
    eventually(lambda: backend.types("/slow"))

    restart(daemon, backend, "/hook")

    deliveries = daemon.ask("GET", "/v1/deliveries?session_id=acme").body["deliveries"]
    assert isinstance(deliveries, list)
    assert [each["state"] for each in deliveries if isinstance(each, dict)] == ["delivered"]
    assert backend.types("/slow") == ["session.created"]


def test_an_endpoint_that_does_not_answer_does_not_hold_up_the_end(serve: Serve, backend: Backend) -> None:
    daemon = serve(settings=OPEN)
    add(daemon, backend.url("/hanging"), "session.created")
    backend.pauses_s["/hanging"] = 60.0
    daemon.create("acme", desired="stopped")
    eventually(lambda: backend.types("/hanging"))

    begun_s = time.monotonic()
    daemon.terminate()

    assert time.monotonic() - begun_s < 10.0
