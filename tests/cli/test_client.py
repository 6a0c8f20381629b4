"""Which daemon a command talks to, and what it says when none answers."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from openwa_manager.cli import main
from openwa_manager.cli.discovery import SocketDaemon, UrlDaemon, find_daemon
from openwa_manager.cli.errors import NotReachableError
from openwa_manager.config import load
from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api, problem, serving

EMPTY = Answer(body={"sessions": [], "next_cursor": None})


@pytest.fixture
def remote() -> Iterator[Api]:
    with serving(Api()) as running:
        running.on("GET /v1/sessions", EMPTY)
        running.on("GET /prefix/v1/sessions", EMPTY)
        yield running


@pytest.mark.parametrize(
    ("url", "home", "environ", "meant"),
    [
        ("http://f", None, {"OPENWA_BASE_URL": "http://e"}, "http://f"),
        ("http://f", "/flag", {}, "http://f"),
        (None, "/flag", {"OPENWA_BASE_URL": "http://e"}, "/flag/run/manager.sock"),
        (None, None, {"OPENWA_BASE_URL": "http://e", "OPENWA_MANAGER_HOME": "/env"}, "http://e"),
        (None, None, {"OPENWA_MANAGER_HOME": "/env"}, "/env/run/manager.sock"),
    ],
)
def test_flags_come_before_the_environment(
    url: str | None, home: str | None, environ: dict[str, str], meant: str
) -> None:
    daemon = find_daemon(url, home, environ)

    assert meant == (daemon.url if isinstance(daemon, UrlDaemon) else str(daemon.socket_path))


def test_the_users_own_home_is_found_without_naming_it(tmp_path: Path) -> None:
    socket_path = tmp_path / ".openwa-manager" / "run" / "manager.sock"
    socket_path.parent.mkdir(parents=True)
    socket_path.touch()

    assert find_daemon(None, None, {}) == SocketDaemon(socket_path)


def test_the_socket_lies_where_the_daemon_puts_it(tmp_path: Path) -> None:
    daemon = find_daemon(None, str(tmp_path), {})

    assert daemon == SocketDaemon(load({"home": str(tmp_path)}, {}).settings.socket_path)


def test_nothing_found_names_what_was_tried(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code = main(["list"])

    assert code == 5
    assert (
        f"tried {tmp_path}/.openwa-manager/run/manager.sock and /opt/openwa/run/manager.sock" in capsys.readouterr().err
    )


def test_a_socket_nobody_listens_on_is_named(pipe: Run, home: Path) -> None:
    said = pipe("list")

    assert (said.code, said.out) == (5, "")
    assert said.err == (
        f"openwa-manager: no daemon answers at {home}/run/manager.sock (No such file or directory); "
        "start it: openwa-manager serve (or openwa-manager service install), or name its home: --home DIR\n"
    )


def test_https_to_a_port_without_it_says_what_it_speaks(remote: Api, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--url", remote.url.replace("http:", "https:"), "list"])

    said = capsys.readouterr().err
    assert (code, said.endswith("; it speaks http://\n")) == (5, True), said


def test_a_socket_left_behind_is_named(pipe: Run, home: Path) -> None:
    (home / "run").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(home / "run" / "manager.sock"))

    assert "(Connection refused)" in pipe("list").err


def test_a_url_is_asked_with_the_key(
    remote: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENWA_BASE_URL", remote.url)
    monkeypatch.setenv("OPENWA_API_KEY", "owm_1_secret")

    code = main(["list"])

    assert (code, capsys.readouterr().out) == (0, '{"sessions": []}\n')
    assert remote.asked[0].headers["X-API-Key"] == "owm_1_secret"


def test_a_url_may_have_a_path(remote: Api, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["list", "--url", f"{remote.url}/prefix/"])

    assert (code, remote.asked[0].path) == (0, "/prefix/v1/sessions")
    assert "X-API-Key" not in remote.asked[0].headers
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("url", ["manager.example", "ftp://x", "http://", "http://x:port", "//"])
def test_what_is_no_url_is_said(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--url", url, "list"]) == 5
    assert f"{url!r} is no URL" in capsys.readouterr().err


def test_a_missing_key_is_explained(remote: Api, capsys: pytest.CaptureFixture[str]) -> None:
    remote.on("GET /v1/sessions", problem(401, "unauthenticated", "an API key is required"))

    code = main(["--url", remote.url, "list"])

    assert code == 1
    assert "an API key is required (unauthenticated); put a key into OPENWA_API_KEY" in capsys.readouterr().err


def test_a_wrong_key_is_told_from_a_missing_one(
    remote: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENWA_API_KEY", "owm_1_secret")
    remote.on("GET /v1/sessions", problem(401, "unauthenticated", "an API key is required"))

    code = main(["--url", remote.url, "list"])

    assert (code, capsys.readouterr().err) == (
        1,
        "openwa-manager: the key in OPENWA_API_KEY is not valid here (unauthenticated)\n",
    )


@pytest.mark.parametrize("raw", [b"<html>Bad Gateway", b"[1]", b'{"detail": "x"}'])
def test_an_error_in_other_words_is_shown_as_it_is(remote: Api, raw: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    remote.on("GET /v1/sessions", Answer(status=502, raw=raw))

    assert main(["--url", remote.url, "list"]) == 1
    assert f"502 Bad Gateway: {raw.decode()}" in capsys.readouterr().err


def test_words_of_the_api_become_words_of_the_commands(pipe: Run, api: Api) -> None:
    api.on("DELETE /v1/builds/0.1", problem(404, "not_found", "there is no build '0.1'; GET /v1/builds lists them"))

    said = pipe("engine", "remove", "0.1")

    assert said.err == ("openwa-manager: there is no build '0.1'; openwa-manager engine list shows them (not_found)\n")


def test_a_stranger_that_speaks_http_is_not_taken_for_a_daemon(remote: Api, capsys: pytest.CaptureFixture[str]) -> None:
    remote.on("GET /v1/sessions", Answer(raw=b"<html>It works!"))

    assert main(["--url", remote.url, "list"]) == 5
    assert "not as openwa-manager does" in capsys.readouterr().err


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=302, raw=b"", headers={"Location": "https://login.example"}),
        Answer(status=304, raw=b""),
        Answer(status=404, raw=b'{"message": "Cannot GET /v1/sessions", "error": "Not Found", "statusCode": 404}'),
        Answer(raw=b"[" * 100_000),
        Answer(raw=b"\xff\xfe\x00"),
        Answer(raw=b" " * (65 * 1024 * 1024)),
    ],
    ids=["redirect", "not modified", "OpenWA itself", "deep", "no text", "endless"],
)
def test_a_wrong_server_is_told_in_a_sentence(remote: Api, answer: Answer, capsys: pytest.CaptureFixture[str]) -> None:
    remote.on("GET /v1/sessions", answer)

    assert main(["--url", remote.url, "list"]) == 5
    assert "not as openwa-manager does" in capsys.readouterr().err


def test_json_of_a_server_that_is_none_of_ours_is_not_read(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        body = b'{"status": "fine"}'
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        threading.Thread(target=_answer_once, args=(server, head + body), daemon=True).start()

        assert main(["--url", f"http://127.0.0.1:{server.getsockname()[1]}", "list"]) == 5

    assert "not as openwa-manager does" in capsys.readouterr().err


def _answer_once(server: socket.socket, answer: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(answer)


@pytest.mark.parametrize("key", ["owm_1_secret\r", "owm_1_\N{LATIN SMALL LETTER E WITH ACUTE}"])
def test_a_key_that_no_header_can_hold_is_told(
    remote: Api, key: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENWA_API_KEY", key)

    assert main(["--url", remote.url, "list"]) == 2
    assert "set OPENWA_API_KEY anew" in capsys.readouterr().err


def test_what_a_stranger_says_cannot_steer_the_terminal(remote: Api, capsys: pytest.CaptureFixture[str]) -> None:
    remote.on("GET /v1/sessions", problem(409, "x", "go \x1b[2J away\x9b"))

    assert main(["--url", remote.url, "list"]) == 1
    assert "go \ufffd[2J away\ufffd" in capsys.readouterr().err


def test_the_password_in_a_url_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--url", "http://me:pa55@127.0.0.1:1", "list"]) == 5
    assert "pa55" not in capsys.readouterr().err


def test_a_stranger_that_speaks_something_else_is_not_taken_for_a_daemon(pipe: Run, home: Path) -> None:
    (home / "run").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(home / "run" / "manager.sock"))
        server.listen()
        thread = threading.Thread(target=_greet_in_smtp, args=(server,), daemon=True)
        thread.start()

        said = pipe("list")

        thread.join(10)
    assert said.code == 5
    assert "220 mail" in said.err


def _greet_in_smtp(server: socket.socket) -> None:
    peer, _ = server.accept()
    with peer:
        peer.recv(65536)
        peer.sendall(b"220 mail\r\n")


def test_a_daemon_that_never_answers_is_given_up(home: Path) -> None:
    from openwa_manager.cli.client import Client

    (home / "run").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(home / "run" / "manager.sock"))
        server.listen()

        with pytest.raises(NotReachableError, match=r"did not answer within 0\.01 s"):
            Client(SocketDaemon(home / "run" / "manager.sock"), timeout_s=0.01).get("/v1/registry")
