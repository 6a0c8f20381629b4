"""The exposition as Prometheus's own parser reads it."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from prometheus_client.samples import Sample

from openwa_manager.domain.session.session import SessionId, Status
from openwa_manager.metrics.durations import QR_PUSH_S, Durations
from openwa_manager.metrics.exposition import expose
from openwa_manager.metrics.scrape import HostNumbers, Scrape, SessionNumbers
from tests.metrics.samples import one_session, scrape


def samples_of(scraped: Scrape) -> dict[tuple[str, str], Sample]:
    """Return the samples by name and the value of their label."""
    text = expose(scraped)[0].decode()
    samples = [sample for family in read_text(text) for sample in family.samples]
    return {(sample.name, " ".join(sample.labels.values())): sample for sample in samples}


@pytest.mark.parametrize(
    ("name", "label", "value"),
    [
        ("openwa_manager_sessions", "connected", 180),
        ("openwa_manager_sessions", "failed", 2),
        ("openwa_manager_sessions", "qr_ready", 0),
        ("openwa_manager_restarts_total", "engine_exited", 7),
        ("openwa_manager_restarts_total", "memory_limit", 1),
        ("openwa_manager_start_queue_length", "", 3),
        ("openwa_manager_deliveries_pending", "", 12),
        ("openwa_manager_deliveries_dead", "", 1),
        ("openwa_manager_adoption_seconds", "", 0.25),
        ("openwa_manager_messages_total", "sent api", 40),
        ("openwa_manager_messages_total", "failed gateway", 2),
        ("openwa_manager_messages_waiting", "quiet_hours", 9_000),
        ("openwa_manager_messages_waiting", "none", 5),
        ("openwa_manager_sends_total", "201", 2),
        ("openwa_manager_sends_total", "none", 1),
        ("openwa_manager_acks_overdue", "", 3),
        ("openwa_manager_send_hold_seconds_bucket", "300.0", 2),
        ("openwa_manager_send_hold_seconds_bucket", "+Inf", 3),
        ("openwa_manager_send_lateness_seconds_count", "", 1),
        ("openwa_manager_link_drops_total", "network", 4),
        ("openwa_manager_link_drops_total", "logged_out", 0),
        ("openwa_manager_restarts_total", "boot_timeout", 0),
        ("openwa_manager_messages_total", "failed api", 0),
        ("openwa_manager_qr_shown_total", "", 9),
        ("openwa_manager_paired_total", "", 2),
        ("openwa_manager_pair_seconds_bucket", "10.0", 1),
        ("openwa_manager_engine_start_seconds_bucket", "10.0", 1),
        ("openwa_manager_engines_rss_bytes", "", 900_000_000),
        ("openwa_manager_engines_cpu_seconds_total", "", 1234.5),
        ("openwa_manager_probe_misses_total", "", 6),
        ("openwa_manager_host_memory_available_bytes", "", 2_000_000_000),
        ("openwa_manager_home_disk_free_bytes", "", 50_000_000_000),
        ("openwa_manager_endpoint_up", "default", 1),
        ("openwa_manager_endpoint_up", "ep_2", 0),
        ("openwa_manager_deliveries_oldest_seconds", "", 90.5),
        ("openwa_manager_deliveries_total", "delivered", 2),
        ("openwa_manager_deliveries_total", "failed", 3),
        ("openwa_manager_deliveries_total", "gone", 0),
        ("openwa_manager_delivery_seconds_bucket", "0.25", 1),
        ("openwa_manager_delivery_seconds_count", "", 2),
        ("openwa_manager_qr_push_seconds_count", "", 1),
        ("openwa_manager_http_requests_total", "GET /v1/sessions/{session_id} 200", 2),
        ("openwa_manager_http_requests_total", "GET /v1/sessions/{session_id} other", 1),
    ],
)
def test_every_number_has_its_name(name: str, label: str, value: float) -> None:
    assert samples_of(scrape())[name, label].value == value


def test_the_build_is_told_in_labels() -> None:
    build = next(sample for (name, _), sample in samples_of(scrape()).items() if name == "openwa_manager_build_info")

    assert (build.labels, build.value) == ({"version": "0.1.0", "python": "3.11.7"}, 1)


@pytest.mark.parametrize("name", ["commit", "loop_lag"])
def test_durations_are_histograms(name: str) -> None:
    durations = Durations((0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 30.0):
        durations.note(seconds)

    samples = samples_of(scrape(**{name: durations}))

    family = f"openwa_manager_{name}_seconds"
    assert [samples[f"{family}_bucket", bound].value for bound in ("0.1", "1.0", "+Inf")] == [2, 3, 4]
    assert samples[f"{family}_count", ""].value == 4
    assert samples[f"{family}_sum", ""].value == pytest.approx(30.65)


def test_single_sessions_are_there_only_when_wanted() -> None:
    with_them, without = samples_of(scrape(each=[one_session()])), samples_of(scrape())

    assert with_them["openwa_manager_session_rss_bytes", "acme"].value == 180_000_000
    assert with_them["openwa_manager_session_cpu_percent", "acme"].value == 12.5
    assert with_them["openwa_manager_session_cpu_seconds_total", "acme"].value == 61.5
    assert with_them["openwa_manager_session_status", "acme connected"].value == 1
    assert not any(name.startswith("openwa_manager_session_") for name, _ in without)


def test_a_session_that_was_not_measured_has_a_status_but_no_memory() -> None:
    resting = SessionNumbers(session_id=SessionId("acme"), status=Status.STOPPED, usage=None, cpu_s=61.5)

    samples = samples_of(scrape(each=[resting]))

    assert samples["openwa_manager_session_status", "acme stopped"].value == 1
    assert samples["openwa_manager_session_cpu_seconds_total", "acme"].value == 61.5
    assert ("openwa_manager_session_rss_bytes", "acme") not in samples


def test_what_cannot_be_measured_of_the_host_is_not_made_up() -> None:
    samples = samples_of(scrape(host=HostNumbers(memory_available_bytes=None, disk_free_bytes=None)))

    assert not any(name.startswith(("openwa_manager_host_", "openwa_manager_home_")) for name, _ in samples)


def test_before_adoption_is_over_its_time_is_not_made_up() -> None:
    assert ("openwa_manager_adoption_seconds", "") not in samples_of(scrape(adoption_s=None))


def test_the_daemons_own_process_is_told_of_too() -> None:
    if sys.platform != "linux":
        pytest.skip("prometheus_client reads /proc")

    assert samples_of(scrape())["process_resident_memory_bytes", ""].value > 0


def test_who_asks_for_openmetrics_gets_it() -> None:
    body, media_type = expose(scrape(), "application/openmetrics-text; version=1.0.0")

    families = read_openmetrics(body.decode())  # type: ignore[no-untyped-call]
    names = {family.name for family in families}
    assert media_type.startswith("application/openmetrics-text")
    assert {"openwa_manager_restarts", "openwa_manager_build", "openwa_manager_commit_seconds"} <= names


@given(st.lists(st.floats(0, 100, allow_nan=False)))
def test_every_duration_is_in_one_bucket(durations: list[float]) -> None:
    noted = Durations(QR_PUSH_S)

    for seconds in durations:
        noted.note(seconds)

    counts = [count for _, count in noted.buckets()]
    assert counts == sorted(counts)
    assert counts[-1] == len(durations)
    assert [count for _, count in noted.buckets()][:-1] == [
        sum(seconds <= bound for seconds in durations) for bound in QR_PUSH_S
    ]


def test_a_daemon_that_is_never_scraped_does_not_load_the_library() -> None:
    argv = (sys.executable, "-c", "import openwa_manager.daemon, sys; print('prometheus_client' in sys.modules)")

    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30)

    assert done.stdout == "False\n"
