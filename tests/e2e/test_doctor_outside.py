"""The doctor at a real daemon: what backends answer to a signed test event, and who starts the daemon."""

import hashlib
import hmac
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import Daemon
from tests.e2e.peers.receiver import Receiver
from tests.fakes.ports import free_ports

Serve = Callable[..., Daemon]
Finding = dict[str, str]

#: What the backend checks with, which is not what the daemon signs with.
BACKENDS_SECRET = "what-the-backend-was-given"
OURS = "short-secret"


class Backend(Receiver):
    """A backend as people have them: `/checked` looks at the signature, `/<status>` answers with that."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.bodies: list[dict[str, Json]] = []

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        self.bodies.append(json.loads(body))
        if path == "/checked":
            signed = "sha256=" + hmac.new(BACKENDS_SECRET.encode(), body, hashlib.sha256).hexdigest()
            return 200 if headers["x-openwa-signature"] == signed else 401
        return int(path.strip("/"))


def doctor(home: Path, user_home: Path, environ: Mapping[str, str]) -> tuple[int, list[Finding]]:
    user_home.mkdir(exist_ok=True)
    done = subprocess.run(
        (sys.executable, "-m", "openwa_manager", "--home", str(home), "doctor"),
        env={"PATH": os.environ["PATH"], "HOME": str(user_home), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode in (0, 1), done.stderr
    findings: list[Finding] = json.loads(done.stdout)["findings"]
    return done.returncode, findings


def at(findings: list[Finding], subject: str) -> set[str]:
    return {each["code"] for each in findings if each["subject"] == subject}


def environ_of(settings: Mapping[str, str]) -> dict[str, str]:
    common = {"ENGINE": "simulator", "MIN_FREE_DISK_BYTES": "0", "MIN_FREE_MEMORY_BYTES": "0"}
    return {f"OPENWA_MANAGER_{name}": value for name, value in (common | dict(settings)).items()}


#: What each status is found as.
FOUND_AS = {
    200: "endpoint_ok",
    302: "webhook_redirected",
    403: "webhook_forbidden",
    404: "webhook_not_found",
    405: "webhook_method",
    410: "webhook_gone",
    419: "webhook_csrf",
    422: "webhook_refused_body",
    429: "webhook_throttled",
    500: "webhook_failing",
    502: "webhook_proxy",
    418: "webhook_odd",
}


def test_each_answer_of_a_backend_has_its_own_sentence_and_cure(serve: Serve, tmp_path: Path) -> None:
    with Backend(free_ports(1)[0]) as backend:
        settings = {
            "UPSTREAM_URL": f"http://127.0.0.1:{backend.port}/checked",
            "UPSTREAM_SECRET": OURS,
            "ALLOW_PRIVATE_ENDPOINTS": "true",
        }
        daemon = serve(settings=settings, environ={"pm_id": "0", "treekill": "true"})
        ids = {
            status: daemon.ask(
                "POST",
                "/v1/endpoints",
                {"url": f"http://127.0.0.1:{backend.port}/{status}", "events": ["session.qr"]},
            ).text("endpoint_id")
            for status in FOUND_AS
        }
        closed = daemon.ask("POST", "/v1/endpoints", {"url": f"http://127.0.0.1:{free_ports(1)[0]}/"}).text(
            "endpoint_id"
        )

        code, findings = doctor(daemon.home, tmp_path / "user", environ_of(settings))

    assert {status: at(findings, f"endpoint {each}") for status, each in ids.items()} == {
        status: {name} for status, name in FOUND_AS.items()
    }
    assert "webhook_unreachable" in at(findings, f"endpoint {closed}")
    assert at(findings, "endpoint default") == {"webhook_unauthorized", "secret_short"}
    tests = [each for each in backend.bodies if each["type"] == "endpoint.test"]
    assert len(tests) == len(FOUND_AS) + 1
    cures = {each["code"]: each["cure"] for each in findings}
    assert "VerifyCsrfToken" in cures["webhook_csrf"]
    assert "withoutMiddleware('throttle:api')" in cures["webhook_throttled"]
    assert OURS not in json.dumps(findings)
    assert code == 0  # the daemon serves
    assert "treekill: false" in cures["pm2_treekill"]


def test_an_address_that_became_private_has_a_sentence_of_its_own(serve: Serve, tmp_path: Path) -> None:
    daemon = serve(settings={"ALLOW_PRIVATE_ENDPOINTS": "true"})
    endpoint_id = daemon.ask("POST", "/v1/endpoints", {"url": "http://127.0.0.1:9/hook"}).text("endpoint_id")
    daemon.terminate()
    daemon.start(settings={"ALLOW_PRIVATE_ENDPOINTS": "false"})

    _, findings = doctor(daemon.home, tmp_path / "user", environ_of({}))

    assert "webhook_private" in at(findings, f"endpoint {endpoint_id}")


@pytest.mark.parametrize(
    ("path", "secret", "found"),
    [
        ("/checked", BACKENDS_SECRET, {"endpoint_ok"}),
        ("/checked", "another-secret-than-theirs", {"webhook_unauthorized"}),
        ("/419", None, {"secret_missing"}),
    ],
)
def test_before_the_daemon_runs_the_backend_is_asked_as_it_would_be(
    tmp_path: Path, path: str, secret: str | None, found: set[str]
) -> None:
    with Backend(free_ports(1)[0]) as backend:
        settings = {"UPSTREAM_URL": f"http://127.0.0.1:{backend.port}{path}"}
        settings |= {"UPSTREAM_SECRET": secret} if secret else {}
        code, findings = doctor(tmp_path / "home", tmp_path / "user", environ_of(settings))

    assert at(findings, "endpoint default") == found
    assert len(backend.bodies) == (1 if secret else 0)
    assert code == 0


def test_two_service_managers_at_once_are_found(serve: Serve, tmp_path: Path) -> None:
    user, pm2 = tmp_path / "user", tmp_path / "user" / ".pm2"
    unit = user / ".config" / "systemd" / "user" / "openwa-manager.service"
    for folder in (unit.parent, pm2):
        folder.mkdir(parents=True)
    daemon = serve(environ={"pm_id": "0", "treekill": "false", "PM2_HOME": str(pm2)})
    alone = doctor(daemon.home, user, environ_of({}))[1]
    unit.write_text(f"[Service]\nEnvironment=OPENWA_MANAGER_HOME={daemon.home}\nExecStart=/x/openwa-manager serve\n")
    saved = {"name": "wa", "pm_exec_path": "/x/bin/openwa-manager", "args": ["serve"], "treekill": False}
    (pm2 / "dump.pm2").write_text(json.dumps([{"name": "other", "pm_exec_path": "/x/y", "args": None}, saved]))

    both = {each["code"]: each for each in doctor(daemon.home, user, environ_of({}))[1]}

    assert {"pm2"} <= {each["code"] for each in alone}
    assert "two_managers" not in {each["code"] for each in alone}
    assert str(unit) in both["two_managers"]["detail"]
    assert "wa in" in both["two_managers"]["detail"]


def test_the_daemons_own_doctor_says_how_many_sessions_fit_and_how_it_is_reached(serve: Serve) -> None:
    daemon = serve(settings={"PUBLIC_URL": "https://wa.example.com"})

    findings = cast("list[Finding]", daemon.ask("GET", "/v1/doctor").body["findings"])

    codes = {each["code"]: each for each in findings}
    assert {"descriptors", "reach_callers"} <= codes.keys()
    assert codes.keys() & {"room", "room_short"}
    assert "wa.example.com" in codes["reach_callers"]["detail"]
