"""What the doctor looks at: real files, sockets, databases and programs, healthy and ill."""

import resource
import shlex
import socket
import sqlite3
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from openwa_manager.cli.doctor import daemon_checks, host_checks
from openwa_manager.config import Address
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.diagnosis.findings import Finding
from openwa_manager.domain.isolation import Isolation
from openwa_manager.processes.confinement.support import landlock_support
from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api


@pytest.mark.parametrize(
    ("finding", "level", "said"),
    [
        (host_checks.check_python((3, 11, 0)), "ok", "3.11.0"),
        (host_checks.check_python((3, 10, 9)), "fail", "3.10.9 is too old"),
        (host_checks.check_open_files(524_288), "ok", "up to 524288"),
        (host_checks.check_open_files(resource.RLIM_INFINITY), "ok", "unlimited"),
        (host_checks.check_open_files(256), "warn", "only 256 allowed"),
        (host_checks.check_memory(2_000_000_000, 600_000_000), "ok", "2000 MB free, 600 MB are kept free"),
        (host_checks.check_memory(500_000_000, 600_000_000), "fail", "500 MB free"),
        (host_checks.check_memory(200_000_000, 600_000_000, 1), "ok", "200 MB free, 150 MB are kept free"),
        (host_checks.check_memory(2_000_000_000, 600_000_000, 2), "fail", "pressure level 2"),
        (host_checks.check_isolation(Isolation.KERNEL, landlock_support(7, "x86_64")), "ok", "Landlock ABI 7"),
        (host_checks.check_isolation(Isolation.KERNEL, landlock_support(4, "x86_64")), "warn", "signal each other"),
        (host_checks.check_isolation(Isolation.NONE, landlock_support(7, "x86_64")), "warn", "trust each other"),
        (host_checks.check_isolation(Isolation.KERNEL, landlock_support(0, "x86_64")), "warn", "trust each other"),
        (daemon_checks.check_sqlite((3, 45, 1)), "ok", "3.45.1"),
        (daemon_checks.check_sqlite((3, 36, 0)), "fail", "3.36.0 is too old"),
        (daemon_checks.check_socket_path(Path("/opt/openwa")), "ok", "of 103 bytes"),
        (daemon_checks.check_socket_path(Path("/" + "x" * 100)), "fail", "/s takes 126 bytes"),
        (daemon_checks.check_daemon("0.1.0", "0.1.0"), "ok", "answers, version 0.1.0"),
        (daemon_checks.check_daemon("0.1.0", "0.2.0"), "warn", "version 0.1.0 runs, this is 0.2.0"),
        (daemon_checks.check_daemon(None, "0.2.0"), "warn", "none answers"),
    ],
)
def test_a_fact_is_judged(finding: Finding, level: str, said: str) -> None:
    assert finding.level == level
    assert said in finding.detail
    assert (finding.cure is None) == (level == "ok")


@pytest.mark.parametrize(("watches", "level"), [("524288", "ok"), ("8192", "warn")])
def test_too_few_inotify_watches_are_noticed(tmp_path: Path, watches: str, level: str) -> None:
    (tmp_path / "max_user_watches").write_text(f"{watches}\n")
    (tmp_path / "max_user_instances").write_text("128\n")

    assert host_checks.check_inotify(tmp_path).level == level


def test_a_kernel_that_does_not_tell_of_inotify_is_no_failure(tmp_path: Path) -> None:
    assert host_checks.check_inotify(tmp_path).level == "warn"


def test_room_on_the_disk_is_measured_where_the_sessions_will_lie(tmp_path: Path) -> None:
    assert host_checks.check_disk(tmp_path / "not" / "yet", 1).level == "ok"
    assert host_checks.check_disk(tmp_path, 2**80).level == "fail"


def test_a_home_that_is_ours_alone_is_fine(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "admin.key").touch(0o600)

    assert daemon_checks.check_home(tmp_path).level == "ok"
    assert daemon_checks.check_home(tmp_path / "absent").level == "ok"


def test_a_home_open_to_others_is_a_warning_and_an_open_secret_a_failure(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    is_open = daemon_checks.check_home(tmp_path)
    (tmp_path / "admin.key").touch()
    (tmp_path / "admin.key").chmod(0o644)
    tells = daemon_checks.check_home(tmp_path)

    assert (is_open.level, tells.level) == ("warn", "fail")
    assert tells.cure == f"chmod 600 {shlex.quote(str(tmp_path / 'admin.key'))}"


def test_a_database_is_checked_without_being_touched(tmp_path: Path) -> None:
    path = tmp_path / "manager.db"
    absent = daemon_checks.check_database(path)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE session (session_id TEXT)")
    connection.execute("INSERT INTO session VALUES ('a')")
    connection.commit()
    connection.close()
    before = path.read_bytes()

    whole = daemon_checks.check_database(path)

    assert (absent.level, whole) == ("ok", Finding("database", "ok", "whole, 1 sessions"))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_database_is_found(tmp_path: Path) -> None:
    path = tmp_path / "manager.db"
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 4096)

    assert daemon_checks.check_database(path).level == "fail"


def test_a_port_that_is_taken_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        taken = daemon_checks.check_port("listen", Address("127.0.0.1", port))
    impossible = daemon_checks.check_port("listen", Address("192.0.2.1", port))

    assert (taken.level, taken.detail) == ("fail", f"127.0.0.1:{port} is taken")
    assert impossible.level == "fail"
    assert daemon_checks.check_port("listen", Address("127.0.0.1", port)).level == "ok"


def test_an_upstream_that_accepts_is_enough_and_nothing_is_sent_to_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as backend:
        backend.settimeout(10)
        port = backend.getsockname()[1]
        finding = daemon_checks.check_upstream(f"http://127.0.0.1:{port}/hook")
        with backend.accept()[0] as connection:
            received = connection.recv(100)
    gone = daemon_checks.check_upstream(f"http://127.0.0.1:{port}/hook")

    assert (finding.level, received) == ("ok", b"")
    assert gone.level == "fail"


@contextmanager
def speaking_tls(place: Path) -> Iterator[int]:
    """Shake hands once with a certificate nobody signed; yields the port."""
    files = (place / "key.pem", place / "cert.pem")
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    argv = [*words.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(files[0]), "-out", str(files[1])]
    subprocess.run(argv, check=True, capture_output=True, timeout=30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files[1], files[0])
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def shake() -> None:
            connection, _ = listener.accept()
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

        thread = threading.Thread(target=shake, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def test_a_certificate_nobody_signed_is_found(tmp_path: Path) -> None:
    with speaking_tls(tmp_path) as port:
        finding = daemon_checks.check_upstream(f"https://127.0.0.1:{port}/hook")

    assert finding.level == "fail"
    assert "certificate" in finding.detail


def test_a_certificate_that_is_trusted_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))

    with speaking_tls(tmp_path) as port:
        finding = daemon_checks.check_upstream(f"https://127.0.0.1:{port}/hook")

    assert (finding.level, finding.detail) == ("ok", f"127.0.0.1:{port} accepts TLS")


def states_of(document: Json) -> dict[str, str]:
    checks = cast("list[dict[str, str]]", cast("dict[str, Json]", document)["findings"])
    return {check["code"]: check["level"] for check in checks}


def test_the_doctor_exits_with_1_when_something_fails_and_says_what_to_do(pipe: Run, tmp_path: Path) -> None:
    said = pipe("doctor")

    states = states_of(said.document)
    assert said.code == 1
    assert states["openwa"] == "fail"
    assert states["listen"] in ("ok", "fail")
    assert states["daemon"] == "warn"
    assert not (tmp_path / "home").exists()


def test_a_host_that_will_do_exits_with_0(pipe: Run, home: Path, monkeypatch: pytest.MonkeyPatch, api: Api) -> None:
    monkeypatch.setenv("OPENWA_MANAGER_ENGINE", "simulator")
    monkeypatch.setenv("OPENWA_MANAGER_MIN_FREE_DISK_BYTES", "1")
    monkeypatch.setenv("OPENWA_MANAGER_MIN_FREE_MEMORY_BYTES", "1")
    api.on("GET /v1/system", Answer(body={"version": "0.0.1"}))

    said = pipe("doctor")

    states = states_of(said.document)
    assert said.code == 0
    assert states["daemon"] == "warn"
    assert "listen" not in states
    assert "node" not in states
    assert home.exists()


def test_settings_that_cannot_be_used_are_a_failure(pipe: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENWA_MANAGER_LISTEN", "0.0.0.0:2790")

    said = pipe("doctor")

    assert said.code == 1
    assert states_of(said.document)["settings"] == "fail"


def test_on_a_terminal_what_is_wrong_comes_first(terminal: Run) -> None:
    said = terminal("doctor")

    lines = [line.split() for line in said.out.splitlines()]
    levels = [words[0] for words in lines if words[0] in ("ok", "warn", "fail")]
    assert levels == sorted(levels, key=("fail", "warn", "ok").index)
    assert levels.count("ok") == 1
    assert "are well (-o wide tells more): python," in " ".join(said.out.split())
    assert max(map(len, said.out.splitlines())) <= 120


def test_wide_is_the_table_that_every_list_is_and_ids_are_what_is_wrong(terminal: Run) -> None:
    wide, codes = terminal("doctor", "-o", "wide"), terminal("doctor", "-o", "ids")

    head, *rows = wide.out.splitlines()
    assert head.split() == ["LEVEL", "CODE", "ABOUT", "FOUND", "DO"]
    levels = [row.split()[0] for row in rows]
    assert levels.count("ok") > 3
    assert levels == sorted(levels, key=("fail", "warn", "ok").index)
    wrong = [row.split()[1] for row in rows if not row.startswith("ok")]
    assert set(codes.out.split()) == set(wrong)


def test_a_daemon_that_answers_its_own_way_is_of_unknown_version(home: Path, api: Api) -> None:
    api.on("GET /v1/system", Answer(status=403, body={"title": "no", "detail": "no", "code": "forbidden"}))

    assert daemon_checks.running_daemon(home) == ("unknown", None)
    assert daemon_checks.running_daemon(home / "absent") is None
