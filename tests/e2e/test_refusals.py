"""What the daemon says when it cannot start."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from openwa_manager.daemon import NEEDS_PERSON
from openwa_manager.domain.delivery.events import Json
from tests.fakes.ports import free_ports


def complaint(home: Path, exit_code: int, **settings: str) -> dict[str, Json]:
    """Start a daemon that must fail with this exit code; return the last line it logs."""
    listen, intake = free_ports(2)
    chosen = {"LISTEN": f"127.0.0.1:{listen}", "INTAKE_LISTEN": f"127.0.0.1:{intake}", **settings}
    done = subprocess.run(
        (sys.executable, "-m", "openwa_manager", "serve", "--home", home, "--log-format", "json"),
        env={"PATH": os.environ["PATH"], **{f"OPENWA_MANAGER_{name}": value for name, value in chosen.items()}},
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == exit_code, done
    said: dict[str, Json] = json.loads(done.stderr.splitlines()[-1])
    return said


@pytest.mark.parametrize("name", ["LISTEN", "INTAKE_LISTEN"])
def test_a_port_that_is_taken_is_named(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]

        said = complaint(tmp_path / "home", 1, **{name: f"127.0.0.1:{port}"})

    assert said["code"] == "config_invalid"
    assert f"cannot listen on http://127.0.0.1:{port} (" in str(said["detail"])


def test_a_certificate_that_is_none_is_named(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    nonsense.chmod(0o600)

    said = complaint(tmp_path / "home", NEEDS_PERSON, TLS_CERT=str(nonsense), TLS_KEY=str(nonsense))

    assert said["code"] == "config_invalid"
    assert "tls_cert and tls_key cannot be used together" in str(said["detail"])
