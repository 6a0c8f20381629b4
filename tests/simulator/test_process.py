import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from openwa_manager.processes.locks import reserve_lock_fd
from tests.simulator.harness import KEY, QUICK, ROOT, Receiver, Simulator, eventually, serving


def test_sigterm_ends_it_with_0(simulator: Simulator) -> None:
    simulator.signal(signal.SIGTERM)

    assert simulator.exit_code() == 0


def test_sigint_ends_it_with_0(simulator: Simulator) -> None:
    simulator.signal(signal.SIGINT)

    assert simulator.exit_code() == 0


def test_a_second_sigterm_ends_it_at_once_with_130(tmp_path: Path) -> None:
    with Simulator(tmp_path, {"SHUTDOWN_DELAY_MS": "20000"}) as simulator:
        simulator.signal(signal.SIGTERM)
        eventually(lambda: "draining" in simulator.log)
        simulator.signal(signal.SIGTERM)

        assert simulator.exit_code() == 130


def test_sighup_kills_it_even_if_it_was_ignored_before_it_started(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as `nohup` does; the program inherits it
    try:
        with Simulator(tmp_path, {}) as simulator:
            simulator.signal(signal.SIGHUP)

            assert simulator.exit_code() == -signal.SIGHUP
    finally:
        signal.signal(signal.SIGHUP, before)


def test_while_draining_it_is_alive_but_not_ready(tmp_path: Path) -> None:
    with Simulator(tmp_path, {"SHUTDOWN_DELAY_MS": "20000"}) as simulator:
        simulator.signal(signal.SIGTERM)
        eventually(lambda: "draining" in simulator.log)

        ready = simulator.ask("GET", "/api/health/ready", headers={})

        assert ready.status == 503
        assert ready.body == {"status": "error", "details": {"shutdown": {"status": "draining"}}}
        assert simulator.ask("GET", "/api/health", headers={}).status == 200
        assert simulator.ask("GET", "/api/health/live", headers={}).status == 200


def test_a_deaf_one_ignores_sigterm(tmp_path: Path) -> None:
    with Simulator(tmp_path, {"SIM_DEAF": "1"}) as simulator:
        simulator.signal(signal.SIGTERM)
        simulator.signal(signal.SIGINT)

        assert simulator.ask("GET", "/api/health", headers={}).status == 200


def test_no_webhook_is_sent_on_shutdown(simulator: Simulator, receiver: Receiver) -> None:
    session_id = simulator.create()
    simulator.ask("POST", f"/api/sessions/{session_id}/webhooks", {"url": receiver.url, "events": ["*"]})
    simulator.link(session_id)
    eventually(lambda: receiver.events("session.authenticated"))
    told = len(receiver.deliveries)

    assert simulator.stop() == 0

    assert len(receiver.deliveries) == told


def test_a_hung_send_holds_the_exit_until_its_client_hangs_up(simulator: Simulator) -> None:
    session_id = simulator.create()
    simulator.link(session_id)
    simulator.control("fail?mode=hang")
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=45) as client:
        body = b'{"chatId":"1@c.us","text":"x"}'
        head = f"POST /api/sessions/{session_id}/messages/send-text HTTP/1.1\r\nX-API-Key: {KEY}\r\n"
        client.sendall(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        eventually(lambda: simulator.control("fail?mode=&n=0"))
        simulator.signal(signal.SIGTERM)
        eventually(lambda: "draining" in simulator.log)
        with pytest.raises(subprocess.TimeoutExpired):
            simulator.exit_code(0.3)

    assert simulator.exit_code() == 0


def test_a_hanging_receiver_delays_the_exit_by_the_drain_limit(tmp_path: Path) -> None:
    with serving() as receiver, Simulator(tmp_path, {"WEBHOOK_SHUTDOWN_DRAIN_MS": "300"}) as simulator:
        receiver.delay_s = 2.0
        session_id = simulator.create()
        simulator.ask("POST", f"/api/sessions/{session_id}/webhooks", {"url": receiver.url, "events": ["*"]})
        simulator.start_session(session_id)
        eventually(lambda: receiver.deliveries)

        assert simulator.stop() == 0

        assert "still in flight" in simulator.log


def test_a_taken_port_ends_it_with_1(simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Simulator(tmp_path / "other", port=simulator.port)

    other.launch()

    assert other.exit_code() == 1
    assert f"listen EADDRINUSE: address already in use :::{simulator.port}" in other.log


def test_a_crash_ends_it_with_1_and_says_so(simulator: Simulator) -> None:
    simulator.control("crash")

    assert simulator.exit_code() == 1
    assert "Uncaught exception" in simulator.log


def test_it_exits_with_the_status_it_is_told(simulator: Simulator) -> None:
    simulator.control("exit?code=7")

    assert simulator.exit_code() == 7


def test_the_restart_button_exits_with_0(simulator: Simulator) -> None:
    answer = simulator.ask("POST", "/api/infra/restart")

    assert answer.status == 200
    assert answer.fields["restarting"] is True
    assert simulator.exit_code() == 0


def test_it_exits_at_boot_when_told(tmp_path: Path) -> None:
    simulator = Simulator(tmp_path, {"SIM_EXIT_AT_BOOT": "5"})

    simulator.launch()

    assert simulator.exit_code() == 5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("ENGINE_TYPE", "icq"), ("NODE_ENV", "prod"), ("RATE_LIMIT_SHORT_LIMIT", "0"), ("PORT", "http")),
        *(("SIM_REPLAY", "always"), ("SIM_SEND_S", "-1"), ("SIM_RESTRICTED_S", "soon")),
    ],
)
def test_a_bad_value_ends_the_boot(tmp_path: Path, name: str, value: str) -> None:
    simulator = Simulator(tmp_path, {name: value})

    simulator.launch()

    assert simulator.exit_code() == 1
    assert re.search(rf"Invalid environment configuration: - {name} must be", simulator.log)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_an_unwritable_home_ends_the_boot(tmp_path: Path) -> None:
    simulator = Simulator(tmp_path)
    (tmp_path / "engine.log").touch()
    tmp_path.chmod(0o500)

    simulator.launch()

    assert simulator.exit_code() == 1
    assert "EACCES" in simulator.log


def test_an_unusable_data_directory_ends_the_boot(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way", "utf-8")
    simulator = Simulator(tmp_path)

    simulator.launch()

    assert simulator.exit_code() == 1
    assert "EEXIST" in simulator.log or "ENOTDIR" in simulator.log


def test_a_corrupt_database_ends_the_boot(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "openwa.json").write_text("not a database", "utf-8")
    simulator = Simulator(tmp_path)

    simulator.launch()

    assert simulator.exit_code() == 1
    assert "SQLITE_NOTADB" in simulator.log


def test_a_reader_that_goes_away_kills_it(tmp_path: Path) -> None:
    environ = {**QUICK, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "API_MASTER_KEY": KEY}
    simulator = Simulator(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "openwa_manager.simulator"],
        cwd=tmp_path,
        env={**environ, "PORT": str(simulator.port)},
        stdout=subprocess.PIPE,
    )
    simulator.process = process
    eventually(simulator.is_listening)
    assert process.stdout is not None

    process.stdout.close()
    threading.Thread(target=_create_and_ignore, args=(simulator,), daemon=True).start()

    assert process.wait(10) == 1


def _create_and_ignore(simulator: Simulator) -> None:
    with suppress(OSError):
        simulator.create()


def test_it_hangs_with_its_port_open(simulator: Simulator) -> None:
    simulator.control("hang?s=0.6")
    time.sleep(0.1)

    with pytest.raises(TimeoutError):
        simulator.ask("GET", "/api/health", timeout_s=0.2)

    eventually(lambda: simulator.ask("GET", "/api/health").status == 200)


def resident_mb(pid: int) -> float:
    """Return a process's resident memory."""
    output = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(pid)], check=True, capture_output=True, text=True, timeout=30
    ).stdout
    return int(output) / 1024


def test_it_leaks_what_it_is_told(simulator: Simulator) -> None:
    before = resident_mb(simulator.pid)

    simulator.control("leak?mb=40")

    assert 38 < resident_mb(simulator.pid) - before < 45


def test_it_stays_small(simulator: Simulator) -> None:
    session_id = simulator.create()
    simulator.link(session_id)

    assert resident_mb(simulator.pid) < 40


def browsers(profile: Path) -> list[int]:
    """Return the processes with this profile, by their arguments."""
    output = subprocess.run(
        ["ps", "-axww", "-o", "pid=,args="], check=True, capture_output=True, text=True, timeout=30
    ).stdout
    mark = f"--user-data-dir={profile}"
    return [int(line.split()[0]) for line in output.splitlines() if f" {mark} " in f"{line} "]


def test_its_browser_outlives_it(simulator: Simulator) -> None:
    session_id = simulator.create()
    simulator.link(session_id)
    profile = simulator.home / "data" / "sessions" / "session-acme-01"

    simulator.control("spawn-browser")
    (browser,) = eventually(lambda: browsers(profile))
    try:
        assert os.getsid(browser) == browser
        os.kill(browser, signal.SIGTERM)
        os.killpg(simulator.pid, signal.SIGKILL)
        simulator.exit_code()
        assert browsers(profile) == [browser]
    finally:
        os.kill(browser, signal.SIGKILL)


def test_its_browser_does_not_inherit_a_lock(tmp_path: Path) -> None:
    """Libuv keeps low descriptors from its children; a supervisor's lock must not stay held by an orphan."""
    descriptor = reserve_lock_fd()  # in libuv's private range
    with (tmp_path / "lock").open("w") as lock:
        os.dup2(lock.fileno(), descriptor)
        fcntl.flock(lock, fcntl.LOCK_EX)
    with Simulator(tmp_path, pass_fds=(descriptor,)) as simulator:
        simulator.link(simulator.create())
        simulator.control("spawn-browser")
        (browser,) = eventually(lambda: browsers(tmp_path / "data" / "sessions" / "session-acme-01"))
        with Path(os.devnull).open() as nothing:
            os.dup2(nothing.fileno(), descriptor, inheritable=False)
        simulator.kill()

    try:
        with (tmp_path / "lock").open("r+") as again:
            fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.kill(browser, signal.SIGKILL)


def test_it_listens_on_loopback_only(simulator: Simulator) -> None:
    addresses = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    outside = addresses - {"127.0.0.1", "127.0.1.1"}

    for address in outside:
        with socket.socket() as probe:
            assert probe.connect_ex((str(address), simulator.port)) != 0


def test_the_first_key_stays_the_key(simulator: Simulator) -> None:
    assert simulator.stop() == 0
    simulator.env = {"API_MASTER_KEY": "another-key-0123456789abcdef0123456789"}

    simulator.start()

    assert simulator.ask("GET", "/api/sessions").status == 200
    assert simulator.ask("GET", "/api/sessions", headers={"X-API-Key": simulator.env["API_MASTER_KEY"]}).status == 401
    assert (simulator.home / "data" / ".api-key").read_text("utf-8") == KEY
    assert (simulator.home / "data" / ".api-key").stat().st_mode & 0o777 == 0o600


def test_an_idle_one_burns_no_cpu(simulator: Simulator) -> None:
    session_id = simulator.create()
    simulator.link(session_id)
    before = cpu_s(simulator.pid)

    time.sleep(0.6)

    assert cpu_s(simulator.pid) - before <= 0.02


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process so far."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except FileNotFoundError:
        pytest.skip("needs /proc")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
