"""Prometheus itself, as Debian packages it, with the configuration and the alerts of the examples, only faster."""

import json
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.e2e.peers.daemon import eventually
from tests.fakes.ports import free_ports
from tests.metrics.promql import ALERTS
from tests.metrics.promtool import program

_CONFIG = ALERTS.with_name("prometheus.yml")


class Prometheus:
    """It scrapes a daemon once a second, and raises each alert as soon as its condition holds; leaving it ends it."""

    def __init__(self, place: Path, target: str, key: str) -> None:
        self._place = place
        self._port = free_ports(1)[0]
        config = _CONFIG.read_text("utf-8").replace("127.0.0.1:2790", target).replace(": 15s", ": 1s")
        assert target in config
        alerts = re.sub(r"^ +for: .*\n", "", ALERTS.read_text("utf-8"), flags=re.MULTILINE)
        place.mkdir()
        (place / "prometheus.yml").write_text(config)
        (place / "alerts.yml").write_text(alerts)
        (place / "openwa-manager.key").write_text(key)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        argv = (
            *(program("prometheus"), "--config.file=prometheus.yml", "--storage.tsdb.path=data"),
            *(f"--web.listen-address=127.0.0.1:{self._port}", "--log.level=warn"),
        )
        with (self._place / "log").open("ab") as log:
            self._process = subprocess.Popen(argv, cwd=self._place, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        eventually(self._is_ready)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(30)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return what a query finds now."""
        found: list[dict[str, Any]] = self._ask("query", query=expression)["result"]
        return found

    def series(self) -> dict[str, set[str]]:
        """Return the labels of each metric it has."""
        known: dict[str, set[str]] = {}
        for labels in self._ask("series", **{"match[]": '{job="openwa-manager"}'}):
            known.setdefault(labels["__name__"], set()).update(labels)
        return known

    def fired(self) -> set[str]:
        """Return which alerts have been raised so far."""
        raised = self.query('count by (alertname) (last_over_time(ALERTS{alertstate="firing"}[1h]))')
        return {each["metric"]["alertname"] for each in raised}

    def _ask(self, what: str, **parameters: str) -> Any:  # noqa: ANN401 whatever JSON it answers
        address = f"http://127.0.0.1:{self._port}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._place / "log").read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
