"""Writes docs/reference/metrics.md: every metric as the daemon exposes it."""

from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from tests.metrics.samples import whole_text
from tests.reference.markdown import chapter, code, page, table

_INTRODUCTION: Final = """\
Every metric of `GET /metrics`. What to ask of them, and how to scrape: [metrics.md](../metrics.md)."""
_COUNTED: Final = """\
Counters and histograms count from the start of the daemon, as Prometheus expects it; `messages_total` alone is kept on
disk and goes on. They count as things happen: a link that drops and comes back between two scrapes is counted. What can
be foreseen is there from the start with the value 0. No label holds what callers, engines or people wrote: routes are
named as in `/openapi.json`, reasons and statuses are [words of ours](reasons.md), and an HTTP status without a name is
`other`.

The processor time of the engines is measured every `probe_period_s`; what an engine uses before its first measurement,
about a second after its launch, and after its last one is not in it. Posts of the engines to the intake are not among
the requests."""
_SHOWN: Final = """\
`session_…` are there only with the setting `metrics_per_session`: four series for each session, of which
`session_status` has the present status as a label and the value 1. To these come `process_…`, what the daemon itself
uses, where the system tells.

A key that is limited to sessions is shown `build_info`, and of its sessions alone `sessions`, `messages_waiting`,
`acks_overdue` and `session_…`; also `endpoint_up` of endpoints that are for its sessions only."""
_OF_BUCKETS: Final = frozenset({"le"})


def metrics_page() -> str:
    """Return the page."""
    counted, shown = chapter("How they count", _COUNTED), chapter("Who is shown what", _SHOWN)
    return page("Metrics in full", _INTRODUCTION, _metrics(), counted, shown)


def _metrics() -> str:
    rows = []
    for family in text_string_to_metric_families(whole_text()):
        if not family.name.startswith("openwa_manager_"):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label: None for sample in family.samples for label in sample.labels if label not in _OF_BUCKETS}
        rows.append([code(name), family.type, " ".join(map(code, labels)), family.documentation])
    return table(["name", "type", "labels", "what it tells"], sorted(rows))
