"""The setting `upstream_events` says what the default endpoint is told, and nothing else waits for it."""

import json
from collections.abc import Callable, Mapping, Sequence

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import SCANNED, Daemon, eventually
from tests.e2e.peers.upstream import Upstream


def told(upstream: Upstream) -> set[str]:
    return {str(event["type"]) for event in upstream.received}


def asking_for(upstream: Upstream, events: Sequence[str]) -> Mapping[str, str]:
    return {**upstream.settings, "UPSTREAM_EVENTS": json.dumps(events)}


def pending(daemon: Daemon) -> Sequence[Json]:
    waiting = daemon.ask("GET", "/v1/deliveries?state=pending").body["deliveries"]
    assert isinstance(waiting, list)
    return waiting


@pytest.mark.parametrize(
    ("events", "wanted"),
    [
        (["session.connected"], {"session.connected"}),
        (["session.c*"], {"session.created", "session.connected"}),
        (["*"], {"session.created", "session.status", "session.connected", "session.qr"}),
    ],
)
def test_the_default_endpoint_is_told_what_the_setting_names(
    serve: Callable[..., Daemon], upstream: Upstream, events: Sequence[str], wanted: set[str]
) -> None:
    daemon = serve(engine_env=SCANNED, settings=asking_for(upstream, events))

    daemon.create("a")
    daemon.until("a", "connected")
    eventually(lambda: wanted <= told(upstream))
    eventually(lambda: not pending(daemon))

    assert "*" in events or told(upstream) == wanted
    (endpoint,) = json.loads(daemon.ask("GET", "/v1/endpoints").raw)["endpoints"]
    assert (endpoint["endpoint_id"], endpoint["events"]) == ("default", events)
    assert daemon.ask("PATCH", "/v1/endpoints/default", {"events": ["call.*"]}).status == 409


def test_a_narrower_setting_drops_what_waits_and_is_not_wanted_any_more(
    serve: Callable[..., Daemon], upstream: Upstream
) -> None:
    upstream.status = 503
    daemon = serve(engine_env=SCANNED, settings=asking_for(upstream, ["*"]))
    daemon.create("a")
    daemon.until("a", "connected")
    waiting = {str(each["event_type"]) for each in pending(daemon) if isinstance(each, dict)}
    daemon.terminate()

    upstream.status = 200
    daemon.start(settings=asking_for(upstream, ["session.connected"]))
    eventually(lambda: not pending(daemon))

    assert {"session.created", "session.connected"} <= waiting
    assert told(upstream) == {"session.connected"}
