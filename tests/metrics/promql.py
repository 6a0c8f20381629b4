"""Which metrics and labels queries name, in the alerts and on the board."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[2] / "examples"
ALERTS = EXAMPLES / "prometheus" / "alerts.yml"
BOARD = EXAMPLES / "grafana" / "dashboard.json"

_METRIC = re.compile(r"\b(openwa_manager_\w+|process_\w+|up)\b(?:\{([^}]*)\})?")
_MATCHED = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_GROUPED = re.compile(r"\bby \(([^)]*)\)")
_LEGEND = re.compile(r"\{\{(\w+)\}\}")
_EXPRESSION = re.compile(r"^ {8}expr: \|\n((?: {10}.*\n)+)", re.MULTILINE)
#: What Prometheus itself adds, or computes with.
_ADDED = {"job", "instance", "le"}


@dataclass(frozen=True)
class Query:
    """A query, and the labels by which its result is shown."""

    expression: str
    shown: frozenset[str] = frozenset()

    @property
    def metrics(self) -> dict[str, set[str]]:
        """Return the labels it asks of each metric, beside those that Prometheus adds."""
        asked: dict[str, set[str]] = {}
        for name, matchers in _METRIC.findall(self.expression):
            asked.setdefault(name, set()).update(_MATCHED.findall(matchers))
        return {name: labels - _ADDED for name, labels in asked.items()}

    @property
    def result_labels(self) -> set[str]:
        """Return the labels by which it groups, or that its result is shown by."""
        grouped = {label.strip() for labels in _GROUPED.findall(self.expression) for label in labels.split(",")}
        return (grouped | self.shown) - _ADDED

    def missing_in(self, known: dict[str, set[str]]) -> list[str]:
        """Return which of its metrics and labels are not known."""
        missing = [
            f"{name}{{{label}}}" for name, labels in self.metrics.items() for label in labels - known.get(name, set())
        ]
        missing += [name for name in self.metrics if name not in known]
        anywhere = set().union(*(known.get(name, set()) for name in self.metrics))
        return missing + sorted(self.result_labels - anywhere)


def alerts() -> list[Query]:
    """Return the queries of the alerts."""
    return [Query(found) for found in _EXPRESSION.findall(ALERTS.read_text("utf-8"))]


def board() -> dict[str, Any]:
    """Return the board."""
    parsed: dict[str, Any] = json.loads(BOARD.read_text("utf-8"))
    return parsed


def queries_of_board() -> list[Query]:
    """Return the queries of the panels and of the annotations."""
    return list(_queries(board()))


def _queries(node: object) -> Iterator[Query]:
    if isinstance(node, dict):
        if "expr" in node:
            legend = f"{node.get('legendFormat', '')}{node.get('textFormat', '')}"
            yield Query(node["expr"], frozenset(_LEGEND.findall(legend)))
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from _queries(each)


def missing(queries: Iterable[Query], known: dict[str, set[str]]) -> list[str]:
    """Return which metrics and labels of these queries are not known."""
    return [f"{each} in {query.expression}" for query in queries for each in query.missing_in(known)]
