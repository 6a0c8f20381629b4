"""Prometheus scrapes a daemon with twenty engines under load; alerts and board are asked for what it has seen."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from tests.e2e.peers.daemon import Daemon, eventually
from tests.e2e.peers.prometheus import Prometheus
from tests.e2e.peers.upstream import Upstream
from tests.fakes.ports import free_ports
from tests.metrics.promql import alerts, missing, queries_of_board

pytestmark = pytest.mark.timeout(300)
SESSIONS = [f"user_{number}_session_a" for number in range(20)]
#: Sessions with a trouble of their own.
CRASHING, SILENT, CUT_OFF = "crashing", "silent", "cut_off"
SETTINGS = {
    "METRICS_PER_SESSION": "true",
    "CRASH_LOOP_COUNT": "4",
    "PROBE_PERIOD_S": "1",
    "PROBE_TIMEOUT_S": "0.5",
    "PROBE_MISSES": "30",
}
#: What the troubles below bring about. The others need hours, a full disk or little memory: their unit tests have it.
PROVOKED = {
    "AccountLost",
    "EndpointDown",
    "EnginesCrashLooping",
    "EnginesDoNotAnswer",
    "LinksDropOften",
    "MessagesFail",
    "NobodyScans",
    "OpenwaManagerDown",
    "OpenwaManagerSlow",
    "SessionsDisconnected",
    "SessionsFailed",
    "SessionsStuckCreating",
}


@dataclass(frozen=True)
class Scene:
    """A daemon, the backend that it tells everything, and a Prometheus that scrapes it."""

    daemon: Daemon
    backend: Upstream
    prometheus: Prometheus


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Return one that has seen it all."""
    place = tmp_path_factory.mktemp("p")
    with (
        Upstream(free_ports(1)[0]) as backend,
        Daemon(home=place / "home", settings={**backend.settings, **SETTINGS}) as daemon,
        Prometheus(place / "prometheus", f"127.0.0.1:{daemon.port}", viewers_key(daemon)) as scraping,
    ):
        eventually(lambda: scraping.query("openwa_manager_build_info"))
        for provoke in (show_codes, send, drop_links, crash, hang, stall, restart, fail_backend):
            provoke(Scene(daemon, backend, scraping))
        with suppress(AssertionError):  # which alert is missing is told by the test about it
            eventually(lambda: scraping.fired() >= PROVOKED, within_s=30)
        yield scraping


def viewers_key(daemon: Daemon) -> str:
    return daemon.ask("POST", "/v1/keys", {"name": "prometheus", "role": "viewer"}).text("key")


def show_codes(scene: Scene) -> None:
    """Have all sessions show a code, but one whose engine never does and one whose engine never comes up."""
    scene.daemon.create(SILENT, env={"SIM_QR_DELAY_S": "1000"})
    scene.daemon.create(CRASHING, env={"SIM_EXIT_AT_BOOT": "1"})
    scene.daemon.create(CUT_OFF, env={"SIM_RECONNECT_S": "1000"})
    for each in SESSIONS:
        scene.daemon.create(each)
    for each in (*SESSIONS, CUT_OFF):
        scene.daemon.until(each, "qr_ready")
    time.sleep(3)  # two scrapes with nothing but codes


def send(scene: Scene) -> None:
    """Link all sessions, and have each send some messages; some engines fail."""
    for each in (*SESSIONS, CUT_OFF):
        scene.daemon.steer(each, "scan")
    for each in (*SESSIONS, CUT_OFF):
        scene.daemon.until(each, "connected")
    for each in SESSIONS[:8]:
        scene.daemon.steer(each, "fail?mode=400&n=2")
    for number, each in enumerate(SESSIONS * 3):
        scene.daemon.ask("POST", f"/v1/sessions/{each}/messages", {"to": f"+8521234{number:04}", "text": "hello"})


def drop_links(scene: Scene) -> None:
    """Lose all links, twice; most come back. One account is lost for good, one stays disconnected."""
    for _ in range(2):
        for each in SESSIONS[1:]:
            scene.daemon.steer(each, "close?code=428")
        for each in SESSIONS[1:]:
            scene.daemon.until(each, "connected")
    scene.daemon.steer(SESSIONS[0], "close?code=403")
    scene.daemon.steer(CUT_OFF, "close?code=428")
    scene.daemon.until(CUT_OFF, "disconnected")
    scene.daemon.ask("POST", f"/v1/sessions/{CUT_OFF}/messages", {"to": "+85212345678", "text": "it waits"})


def crash(scene: Scene) -> None:
    """Kill a dozen engines."""
    pids = scene.daemon.registry()
    for each in SESSIONS[1:13]:
        os.kill(pids[each], signal.SIGKILL)
    for each in SESSIONS[1:13]:
        eventually(lambda each=each: scene.daemon.registry().get(each) not in (None, pids[each]))  # type: ignore[misc]


def hang(scene: Scene) -> None:
    """Keep some engines from answering."""
    for each in SESSIONS[13:]:
        scene.daemon.steer(each, "hang?s=8")
    eventually(lambda: scene.prometheus.query("openwa_manager_probe_misses_total > 20"))


def stall(scene: Scene) -> None:
    """Keep the daemon from running for a while."""
    assert scene.daemon.process is not None
    scene.daemon.process.send_signal(signal.SIGSTOP)
    try:
        time.sleep(2.5)
    finally:
        scene.daemon.process.send_signal(signal.SIGCONT)
    eventually(lambda: "OpenwaManagerSlow" in scene.prometheus.fired())


def restart(scene: Scene) -> None:
    """End the daemon, and start it again once it is missed."""
    scene.daemon.terminate()
    eventually(lambda: "OpenwaManagerDown" in scene.prometheus.fired())
    scene.daemon.start()


def fail_backend(scene: Scene) -> None:
    """Have the backend refuse everything, and give it something to refuse."""
    scene.backend.status = 503
    for each in SESSIONS[13:]:
        scene.daemon.ask("POST", f"/v1/sessions/{each}/restart")


def test_every_metric_and_label_of_alerts_and_board_was_scraped(prometheus: Prometheus) -> None:
    assert missing([*alerts(), *queries_of_board()], prometheus.series()) == []


def test_every_panel_of_the_board_has_something_to_show(prometheus: Prometheus) -> None:
    queries = [each.expression.replace("$instance", ".*") for each in queries_of_board()]

    blank = [each for each in queries if not prometheus.query(each.replace("$__rate_interval", "5m"))]

    assert blank == []


@pytest.mark.parametrize("alert", sorted(PROVOKED))
def test_real_trouble_raises_the_alert(prometheus: Prometheus, alert: str) -> None:
    assert alert in prometheus.fired()
