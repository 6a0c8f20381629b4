"""The examples for Prometheus and Grafana: whole in the eyes of Prometheus's own tool, and about metrics there are."""

import math
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from openwa_manager.config.settings import Settings
from tests.metrics.promql import ALERTS, EXAMPLES, Query, alerts, board, missing, queries_of_board
from tests.metrics.promtool import promtool
from tests.metrics.samples import whole_text


def known_metrics() -> dict[str, set[str]]:
    """Return the labels of each metric there is, and of the one that Prometheus adds."""
    families = text_string_to_metric_families(whole_text())
    known: dict[str, set[str]] = {"up": set()}
    for sample in (sample for family in families for sample in family.samples):
        known.setdefault(sample.name, set()).update(sample.labels)
    return known


def test_names_types_and_help_pass_prometheus_own_check() -> None:
    checked = promtool("check", "metrics", given=whole_text())

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_a_name_that_breaks_the_rules_is_noticed() -> None:
    assert promtool("check", "metrics", given="# TYPE drops_total gauge\ndrops_total 1\n").returncode != 0


def test_the_scrape_configuration_is_accepted(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "prometheus", tmp_path, dirs_exist_ok=True)
    (tmp_path / "openwa-manager.key").write_text("a key")

    checked = promtool("check", "config", "prometheus.yml", place=tmp_path)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_alert_is_provoked_and_silent_before() -> None:
    checked = promtool("test", "rules", "alerts.test.yml", place=EXAMPLES / "prometheus")

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_no_alert_is_left_without_a_test() -> None:
    named = re.findall(r"- alert: (\w+)", ALERTS.read_text("utf-8"))
    cases = ALERTS.with_name("alerts.test.yml").read_text("utf-8").split("\n  - name: ")[1:]
    provoked = [case.partition("\n")[0] for case in cases if "exp_annotations:" in case and "exp_alerts: []" in case]

    assert len(named) == len(alerts())
    assert provoked == named


@pytest.mark.parametrize("name", ["memory_available", "disk_free"])
def test_room_that_is_short_is_told_before_the_daemon_starts_nothing_more(name: str) -> None:
    (told,) = re.findall(rf"{name}_bytes < (\d+(?: \* \d+)*)", ALERTS.read_text("utf-8"))
    fields = Settings.model_fields
    floor_bytes = fields["min_free_memory_bytes" if "memory" in name else "min_free_disk_bytes"].default

    assert math.prod(map(int, told.split(" * "))) > floor_bytes


@pytest.mark.parametrize("queries", [alerts(), queries_of_board()], ids=["alerts", "board"])
def test_every_metric_and_label_that_is_asked_for_exists(queries: list[Query]) -> None:
    assert queries
    assert missing(queries, known_metrics()) == []


@pytest.mark.parametrize(
    "expression",
    ["openwa_manager_made_up", 'openwa_manager_sessions{colour="red"}', "sum by (colour) (openwa_manager_sessions)"],
)
def test_what_does_not_exist_is_noticed(expression: str) -> None:
    assert missing([Query(expression)], known_metrics())


def test_the_board_has_its_rows_its_variables_and_its_marks() -> None:
    shown = board()

    rows = [each["title"] for each in shown["panels"] if each["type"] == "row"]
    assert rows == ["Now", "Sessions", "Messages", "Delivery", "Host"]
    assert [each["name"] for each in shown["templating"]["list"]] == ["datasource", "instance"]
    assert [each["name"] for each in shown["annotations"]["list"]] == ["Daemon started", "Engines started again"]
    assert len({each["id"] for each in shown["panels"]}) == len(shown["panels"])


def test_no_two_panels_of_the_board_overlap() -> None:
    cells = [
        (x, y)
        for place in (each["gridPos"] for each in board()["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def units_of(panel: dict[str, Any]) -> list[tuple[bool, bool]]:
    """Tell of each query of a panel whether it yields seconds, and whether it is shown as such."""
    config = panel["fieldConfig"]
    by_name = {
        each["matcher"]["options"]: {one["id"]: one["value"] for one in each["properties"]}.get("unit")
        for each in config["overrides"]
        if each["matcher"]["id"] == "byName"
    }
    return [
        (
            re.search(r"_seconds(_bucket)?\{", target["expr"]) is not None,
            (by_name.get(target["legendFormat"]) or config["defaults"].get("unit")) == "s",
        )
        for target in panel["targets"]
    ]


def test_what_is_measured_in_seconds_and_nothing_else_is_shown_in_seconds() -> None:
    units = {each["title"]: units_of(each) for each in board()["panels"] if each["type"] in ("timeseries", "stat")}

    assert any(is_time for shown in units.values() for is_time, _ in shown)
    assert {title for title, shown in units.items() if any(one != other for one, other in shown)} == set()
