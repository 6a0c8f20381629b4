"""How a mock begins and ends: what it says, whom it leaves alone, and that nothing of it stays."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from tests.e2e.mock.running import ARGV, NUMBER, SESSION, Mock, mocking
from tests.e2e.peers.daemon import eventually
from tests.fakes.ports import free_ports
from tests.fakes.process import ending, handing_on

HELP = (
    (*ARGV, "--help"),
    (sys.executable, "-m", "openwa_manager.simulator", "--help"),
    (sys.executable, "-m", "openwa_manager.simulator", "-h"),
)
WRONG = (
    (sys.executable, "-m", "openwa_manager.simulator", "--port", "0"),
    (sys.executable, "-m", "openwa_manager.simulator", "start"),
    (*ARGV, "--prot", "1"),
    (*ARGV, "--port", "70000"),
    (*ARGV, "--port", "x"),
    (*ARGV, "--scan-after", "nan"),
    (*ARGV, "--scan-after", "soon"),
    (*ARGV, "--gap", "-1"),
    (*ARGV, "--version", "0.24"),
    (*ARGV, "--key", ""),
    (*ARGV, "--key", "a\nb"),
)


def run(argv: tuple[str, ...], place: Path) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "TMPDIR": str(place), "HOME": str(place)}
    return subprocess.run(argv, cwd=place, env=environ, capture_output=True, text=True, timeout=60, check=False)


def below(mock: Mock) -> list[psutil.Process]:
    return psutil.Process(mock.process.pid).children(recursive=True)


def are_gone(processes: list[psutil.Process]) -> bool:
    return not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes)


@pytest.mark.parametrize("argv", HELP)
def test_help_starts_nothing_and_writes_nothing(argv: tuple[str, ...], place: Path) -> None:
    ended = run(argv, place)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "usage:" in ended.stdout
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("argv", WRONG)
def test_what_is_not_understood_starts_nothing_and_writes_nothing(argv: tuple[str, ...], place: Path) -> None:
    ended = run(argv, place)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "Traceback" not in ended.stderr
    assert list(place.iterdir()) == []


def test_it_says_what_belongs_into_env_and_is_ready_then(place: Path) -> None:
    foreign = {
        "OPENWA_MANAGER_HOME": "/nonexistent",
        "OPENWA_SESSIONS_PATH": "/nonexistent",
        "OPENWA_BASE_URL": "http://x",
    }
    with mocking(place, "--key", "k-1", "--webhook-secret", "s-1", environ=foreign) as mock:
        assert mock.env == {
            "OPENWA_BASE_URL": mock.url,
            "OPENWA_API_KEY": "k-1",
            "OPENWA_WEBHOOK_SECRET": "s-1",
        }
        assert mock.ask("GET", "/readyz", headers={}).status == 200


def test_a_port_that_is_taken_is_named_and_nothing_is_left(place: Path) -> None:
    with mocking(place) as mock:
        port = mock.url.rpartition(":")[2]
        homes = set(place.iterdir())

        ended = run((*ARGV, "--port", port), place)

        assert ended.returncode == 1
        assert f"cannot listen on 127.0.0.1:{port}" in ended.stderr
        assert set(place.iterdir()) == homes


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "999.1.1.1"])
def test_an_address_that_is_not_ours_is_named(place: Path, host: str) -> None:
    ended = run((*ARGV, "--port", "0", "--listen", host), place)

    assert ended.returncode == 1
    assert host in ended.stderr
    assert list(place.iterdir()) == []


def test_open_to_others_it_serves_under_any_name_and_says_so(place: Path) -> None:
    with mocking(place, "--listen", "0.0.0.0") as mock:  # noqa: S104 - as in a container
        said = mock.process.stdout
        assert said
        assert mock.url.startswith("http://127.0.0.1:")
        answer = mock.ask("GET", "/v1/sessions", headers={"X-API-Key": "mock-key", "Host": "openwa:2785"})
        mock.process.send_signal(signal.SIGINT)
        assert "may use it" in said.read()

    assert answer.status == 200


def test_two_mocks_know_nothing_of_each_other(place: Path) -> None:
    port = free_ports(1)[0]
    with mocking(place, "--scan-after", "0") as one:
        (place / "b").mkdir()
        with mocking(place / "b", "--port", str(port), "--scan-after", "0") as other:
            one.link()
            other.link("user_2_session_b")
            one.send(NUMBER)

            eventually(one.books)
            assert other.books() == []
            assert one.status("user_2_session_b") is None
            other.reset()
            assert one.status() == "connected"
        (place / "b").rmdir()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_ends_with_all_that_it_started(place: Path, number: signal.Signals) -> None:
    with mocking(place, "--scan-after", "0") as mock:
        mock.link()
        mock.control("hang", {"s": 60})
        processes = below(mock)

        mock.process.send_signal(number)
        mock.process.wait(30)

    assert len(processes) == 2
    assert eventually(lambda: are_gone(processes))


def test_in_the_background_of_a_script_ctrl_c_is_not_meant_for_it(place: Path) -> None:
    with handing_on(ignored={signal.SIGINT}), mocking(place) as mock:
        mock.process.send_signal(signal.SIGINT)

        assert mock.ask("GET", "/readyz", headers={}).status == 200


def test_killed_it_leaves_no_process_and_the_next_one_clears_up(place: Path) -> None:
    with mocking(place, "--scan-after", "0") as mock:
        mock.link()
        processes = below(mock)
        mock.process.kill()
        mock.process.wait(30)

    assert eventually(lambda: are_gone(processes))
    assert [each.name.startswith("openwa-mock-") for each in place.iterdir()] == [True]
    with mocking(place):
        assert len(list(place.iterdir())) == 1


def test_killed_with_its_daemon_the_engines_end_too(place: Path) -> None:
    with mocking(place, "--scan-after", "0") as mock:
        mock.link()
        processes = below(mock)
        for each in (psutil.Process(mock.process.pid), *psutil.Process(mock.process.pid).children()):
            each.kill()
        mock.process.wait(30)

    assert eventually(lambda: are_gone(processes))
    with mocking(place):
        pass


def test_a_daemon_that_dies_takes_the_mock_with_it_and_its_log_is_shown(place: Path) -> None:
    environ = {**os.environ, "TMPDIR": str(place)}
    argv = [*ARGV, "--port", "0"]
    with ending(
        subprocess.Popen(argv, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    ) as process:
        assert process.stdout
        while "OPENWA_WEBHOOK_SECRET" not in process.stdout.readline():
            pass
        (daemon,) = psutil.Process(process.pid).children()

        daemon.kill()
        _, complaint = process.communicate(timeout=30)

    assert process.returncode == 1
    assert "ended by itself" in complaint
    assert "sessions_resumed" in complaint
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--webhook-url", "nowhere"), "upstream_url"),
        (("--webhook-url", "http://a", "--webhook-secret", " "), "secret"),
    ],
)
def test_what_the_daemon_does_not_take_is_said_in_a_line(place: Path, arguments: tuple[str, ...], named: str) -> None:
    ended = run((*ARGV, "--port", "0", *arguments), place)

    assert ended.returncode == 1
    assert named in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(place.iterdir()) == []


def test_a_command_runs_with_the_mock_around_it_and_its_code_counts(place: Path) -> None:
    asks = 'curl -sf "$OPENWA_BASE_URL/readyz" && echo "$OPENWA_API_KEY $OPENWA_WEBHOOK_SECRET" && exit 7'
    ended = run((*ARGV, "--port", "0", "--", "sh", "-c", asks), place)
    killed = run((*ARGV, "--port", "0", "--", "sh", "-c", "kill -9 $$"), place)
    missing = run((*ARGV, "--port", "0", "--", "no-such-program", "--flag"), place)

    assert (ended.returncode, ended.stderr) == (7, "")
    assert ended.stdout.endswith("mock-key mock-webhook-secret\n")
    assert killed.returncode == 128 + 9
    assert (missing.returncode, "no-such-program cannot be run" in missing.stderr) == (1, True)
    assert list(place.iterdir()) == []


def test_a_command_is_ended_with_the_mock(place: Path) -> None:
    environ = {**os.environ, "TMPDIR": str(place)}
    argv = [*ARGV, "--port", "0", "--", "sh", "-c", "echo $$; exec sleep 600"]
    with ending(subprocess.Popen(argv, env=environ, text=True, stdout=subprocess.PIPE)) as process:
        assert process.stdout
        command = psutil.Process(int(process.stdout.readline()))

        process.terminate()
        process.wait(30)

    assert are_gone([command])
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(("version", "lacks"), [("0.11", True), ("0.23", False), ("0.25", False)])
def test_it_plays_the_version_that_was_asked_for(place: Path, version: str, lacks: bool) -> None:
    with mocking(place, "--version", version, "--scan-after", "0") as mock:
        mock.link()
        session = mock.ask("GET", f"/v1/sessions/{SESSION}").body
        config = mock.ask("GET", f"/api/sessions/{SESSION}/config")

    assert (config.status == 404) is lacks
    assert str(session["status"]) == "connected"


def test_the_log_is_shown_if_asked(place: Path) -> None:
    environ: Mapping[str, str] = {**os.environ, "TMPDIR": str(place)}
    argv = [*ARGV, "--port", "0", "--verbose"]
    with ending(
        subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    ) as mock:
        assert mock.stdout
        seen = next(line for line in mock.stdout if "daemon_started" in line)
        mock.terminate()

    assert seen


def cpu_s_of(*argv: str, place: Path) -> float:
    """Return what a program and all that it waits for take of the processor, the best of three."""

    def used_s() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    found: list[float] = []
    for _ in range(3):
        before_s = used_s()
        assert run(argv, place).returncode == 0
        found.append(used_s() - before_s)
    return min(found)


def test_it_takes_little_more_than_what_any_daemon_has_to_import(place: Path) -> None:
    bare_s = cpu_s_of(sys.executable, "-c", "import openwa_manager.daemon", place=place)

    whole_s = cpu_s_of(*ARGV, "--port", "0", "--", "true", place=place)

    assert whole_s < 1.7 * bare_s


def test_where_the_temporary_directory_has_a_long_name_another_one_does(place: Path) -> None:
    long = place / ("long" * 20)
    long.mkdir()

    ended = run((*ARGV, "--port", "0", "--", "true"), long)

    assert (ended.returncode, ended.stderr) == (0, "")
