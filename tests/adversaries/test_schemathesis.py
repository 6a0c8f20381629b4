"""Whatever Schemathesis makes of the API's description, no call fails for a reason of ours or outside of what it says.

It takes the description that the daemon itself hands out, and makes calls that keep to it and calls that do not. That
is done with a daemon that never launches an engine (it finds too little memory), so that only the API is asked.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.peers.daemon import Daemon
from tests.source import ROOT

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "ignored_auth",
)
#: Ends every session, waits for an engine that never comes.
LEFT_OUT = ("/v1/sessions/stop", "/api/sessions/{id}/start")
#: What no schema tells: a phone number, a cursor, a URL that we may post to or a repository's, what an engine may be
#: told, a date that is yet to come, that of two members one is needed.
NOT_TOLD = (
    *("/v1/sessions/{session_id}/contacts/check", "/v1/users/{user_id}/contacts/{number}"),
    *("/v1/users/{user_id}/suppressions", "/v1/users/{user_id}/suppressions/{to}"),
    *("/v1/sessions/{session_id}/suppressions", "/v1/sessions/{session_id}/suppressions/{to}"),
    *("/v1/sessions/{session_id}/messages", "/v1/sessions/{session_id}/messages/bulk"),
    *("/v1/sessions/{session_id}/pairing-links", "/v1/sessions/{session_id}/pairing-code"),
    *("/v1/sessions", "/v1/sessions/{session_id}", "/v1/endpoints", "/v1/keys", "/v1/keys/{key_id}"),
    *("/v1/events", "/v1/sessions/{session_id}/events", "/v1/audit", "/v1/builds"),
)
#: What is described and says that something else than we is at fault: an engine that is not there, a full disk.
SETTINGS = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 501, 502, 503, 504, 507]
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429, "5xx"]
"""
SEED = 20261130


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_call_fails_or_is_answered_otherwise_than_described(serve: Callable[..., Daemon], tmp_path: Path) -> None:
    daemon = without_engines(serve)

    report = judge(daemon, tmp_path, CHECKS, *excluding(LEFT_OUT), "--max-time=90", "--phases=coverage,fuzzing")

    assert faults(report) == []
    assert report["operations"]["tested"] == report["operations"]["selected"] > 200
    assert [line for line in daemon.log.splitlines() if json.loads(line)["level"] in ("error", "critical")] == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_keeps_to_the_description_is_accepted(serve: Callable[..., Daemon], tmp_path: Path) -> None:
    """Of OpenWA's calls only the paths are described: their bodies are OpenWA's business."""
    daemon, ours = without_engines(serve), ("--include-path-regex=^/(v1|livez|readyz|metrics)", "--phases=coverage")

    report = judge(daemon, tmp_path, ["positive_data_acceptance"], *ours, *excluding((*LEFT_OUT, *NOT_TOLD)))

    assert faults(report) == []
    assert report["operations"]["tested"] > 30


def without_engines(serve: Callable[..., Daemon]) -> Daemon:
    daemon = serve(settings={"RATE_PER_S": "0", "MIN_FREE_MEMORY_BYTES": str(10**15)})
    daemon.create("acme")
    return daemon


def excluding(paths: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"--exclude-path={path}" for path in paths)


def judge(daemon: Daemon, place: Path, checks: Sequence[str], *options: str) -> dict[str, Any]:
    """Return what Schemathesis reports."""
    path, key = place / "report.json", daemon.key
    settings = place / "schemathesis.toml"
    settings.write_text(SETTINGS)
    argv = (
        *(
            str(Path(sys.executable).with_name("schemathesis")),
            f"--config-file={settings}",
            "run",
            f"http://127.0.0.1:{daemon.port}/openapi.json",
        ),
        *(f"--header=X-API-Key: {key}", f"--checks={','.join(checks)}", f"--report-json-path={path}"),
        *("--continue-on-failure", "--request-timeout=30", f"--seed={SEED}", "--no-color", "--warnings=off", *options),
    )
    other = daemon.ask("POST", "/v1/keys", {"name": "other", "role": "viewer"}).body["id"]
    real = f"session_id=acme,id=acme,key_id={other}"
    hooks = {"SCHEMATHESIS_HOOKS": "tests.adversaries.unhurried", "UNHURRIED_IDS": real}
    environ = {**os.environ, **hooks, "PYTHONPATH": str(ROOT)}
    said = subprocess.run(argv, cwd=place, env=environ, capture_output=True, text=True, timeout=280, check=False)
    print(said.stdout[-20_000:], said.stderr[-2_000:])
    report: dict[str, Any] = json.loads(path.read_bytes())
    assert key == daemon.key, "all calls since were without a valid key"
    return report


def faults(report: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return what it found, and what kept it from looking."""
    found = [(each["title"], each["operations"]) for each in report["failures"]]
    return found + [(each["title"], each["count"]) for each in report["errors"]]
