"""A daemon that only a person can help does not make its service manager start it again and again."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from openwa_manager.cli.service.definitions import LABEL, UNIT_NAME, shipped
from openwa_manager.cli.service.relaunch import wait_for_person
from openwa_manager.daemon import NEEDS_PERSON
from openwa_manager.domain.errors import (
    AlreadyRunningError,
    ConfigError,
    CopyFailedError,
    SchemaTooNewError,
    StorageFullError,
    UnavailableError,
    needs_person,
)
from openwa_manager.host.notify import is_launchd_job
from tests.e2e.peers.other_user import becoming_other, give
from tests.fakes.polling import PATIENCE_S
from tests.fakes.ports import free_ports
from tests.fakes.process import ending

LAUNCHD = {"XPC_SERVICE_NAME": LABEL}


def start(home: Path, environ: Mapping[str, str], run_by: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    listen, intake = free_ports(2)
    chosen = {"LISTEN": f"127.0.0.1:{listen}", "INTAKE_LISTEN": f"127.0.0.1:{intake}", "ENGINE": "simulator"}
    return subprocess.Popen(
        (*run_by, sys.executable, "-m", "openwa_manager", "serve", "--home", home, "--log-format", "json"),
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home.parent),
            **{f"OPENWA_MANAGER_{name}": value for name, value in chosen.items()},
            **environ,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def home_with(settings: str, place: Path) -> Path:
    home = place / "home"
    home.mkdir(mode=0o700)
    (home / "manager.toml").write_text(settings, "utf-8")
    (home / "manager.toml").chmod(0o600)
    return home


@pytest.mark.parametrize("settings", ["no_such_setting = 1\n", "listen = \n"])
def test_settings_that_cannot_be_used_end_it_with_a_code_of_their_own(tmp_path: Path, settings: str) -> None:
    with ending(start(home_with(settings, tmp_path), {})) as process:
        code = process.wait(30)

        assert code == NEEDS_PERSON


def roots_home(place: Path) -> tuple[Path, Sequence[str]]:
    """Return a home that its daemon's user may not even enter, and what becomes that user."""
    run_by = becoming_other()
    if not run_by:
        pytest.skip("only root can make a home that is another user's")
    give(place)
    home = place / "home"
    home.mkdir(mode=0o700)
    return home, run_by


def test_a_home_that_is_not_its_own_ends_it_with_that_code_and_says_so(tmp_path: Path) -> None:
    home, run_by = roots_home(tmp_path)

    with ending(start(home, {}, run_by)) as process:
        assert process.stderr is not None
        code, said = process.wait(30), process.stderr.read().decode()

    assert code == NEEDS_PERSON
    assert str(home) in said


@pytest.mark.parametrize("trouble", ["settings", "home"])
def test_under_launchd_it_says_so_once_and_waits_until_it_is_ended(tmp_path: Path, trouble: str) -> None:
    wrong = (home_with("no_such_setting = 1\n", tmp_path), ()) if trouble == "settings" else roots_home(tmp_path)

    with ending(start(wrong[0], LAUNCHD, wrong[1])) as process:
        assert process.stderr is not None
        complaint, waiting = process.stderr.readline().decode(), process.stderr.readline().decode()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.terminate()
        code, rest = process.wait(10), process.stderr.read()

    assert str(wrong[0]) in complaint
    assert "the next attempt is in 300 s" in waiting
    assert (code, rest) == (-signal.SIGTERM, b"")


def starts_by_launchd(home: Path, within_s: float, **settings: str) -> int:
    """Keep a job alive as launchd does, whatever its exit code is; return how often it was started, 3 at most."""
    started, deadline = 0, time.monotonic() + within_s
    while started < 3 and time.monotonic() < deadline:
        started += 1
        with ending(start(home, {**LAUNCHD, **settings})) as process:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.01, deadline - time.monotonic()))
            process.terminate()
    return started


def test_a_job_that_launchd_keeps_alive_does_not_spin_over_what_only_a_person_can_cure(tmp_path: Path) -> None:
    home = home_with('listen = "0.0.0.0:2790"\n', tmp_path)

    assert starts_by_launchd(home, 8, OPENWA_MANAGER_LISTEN="0.0.0.0:2790") == 1


def test_a_port_that_is_taken_is_tried_again_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        taken = f"127.0.0.1:{stranger.getsockname()[1]}"

        assert starts_by_launchd(tmp_path / "home", PATIENCE_S, OPENWA_MANAGER_LISTEN=taken) == 3


def test_a_file_in_the_place_of_the_home_is_for_a_person(tmp_path: Path) -> None:
    (tmp_path / "home").touch()

    with ending(start(tmp_path / "home" / "below", {})) as process:
        assert process.wait(30) == NEEDS_PERSON


def test_what_may_pass_by_itself_is_tried_again_by_the_service_manager() -> None:
    passing = (UnavailableError("x"), AlreadyRunningError("x"), StorageFullError("x"), CopyFailedError("x"))

    assert not any(map(needs_person, passing))
    assert all(map(needs_person, (ConfigError("x"), SchemaTooNewError("x"))))


def test_systemd_is_told_of_that_code() -> None:
    lines = shipped(UNIT_NAME).splitlines()

    assert f"RestartPreventExitStatus={NEEDS_PERSON}" in lines
    assert "RequiresMountsFor=/opt/openwa" in lines


@pytest.mark.parametrize("name", ["", "0", "application.com.apple.Terminal.1152921500311879701"])
def test_a_shell_on_a_mac_is_not_taken_for_launchd(name: str) -> None:
    assert not is_launchd_job({"XPC_SERVICE_NAME": name} if name else {})


def test_the_wait_ends_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    before = time.monotonic()

    wait_for_person(pause_s=0.2)

    assert time.monotonic() - before >= 0.2
    assert "launchctl kickstart -k" in capsys.readouterr().err
