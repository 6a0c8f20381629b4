"""The unix socket takes its user for the admin: what proxies bring there from the network must not be him."""

import http.client
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.e2e.peers import forwarder
from tests.e2e.peers.daemon import Daemon, eventually
from tests.e2e.peers.other_user import becoming_other, give
from tests.fakes.ports import free_ports, is_free
from tests.fakes.process import ending

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/opt/homebrew/bin")
needs_nginx = pytest.mark.skipif(NGINX is None, reason="there is no nginx")
PATH = "/v1/registry"

#: What nginx does unless told otherwise, in each of the ways to name a socket.
AS_IT_IS = "proxy_pass http://unix:{socket}:/;"
BY_UPSTREAM = "proxy_pass http://localhost;"
#: What is found in tutorials.
KEEPING = 'proxy_http_version 1.1; proxy_set_header Connection ""; '
HIDING = {
    "an own Host": KEEPING + "proxy_set_header Host localhost; " + AS_IT_IS,
    "the client's Host": KEEPING + "proxy_set_header Host $http_host; " + AS_IT_IS,
    "an upstream that is kept open": KEEPING + BY_UPSTREAM,
}
TELLING = {
    "X-Forwarded-For": "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; " + HIDING["an own Host"],
    "Forwarded": "proxy_set_header Forwarded for=$remote_addr; " + HIDING["an own Host"],
    "Via": "proxy_set_header Via 1.1; " + HIDING["an own Host"],
    "CF-Ray": "proxy_set_header CF-Ray 8a1b2c3d4e5f; " + HIDING["an own Host"],
}
CONFIGURATION = """
daemon off; {user} worker_processes 1; pid {place}/pid; error_log {place}/errors;
events {{}}
http {{
  access_log off;
  client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/fastcgi;
  uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
  upstream localhost {{ server unix:{socket}; keepalive 4; }}
  server {{ listen 127.0.0.1:{port}; location / {{ {location} }} }}
}}
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """Make a directory that another user reaches too."""
    with tempfile.TemporaryDirectory(prefix="prx", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def running(argv: Sequence[str], port: int) -> Iterator[int]:
    with ending(subprocess.Popen(argv, stdin=subprocess.PIPE)) as process:
        eventually(lambda: process.poll() is not None or not is_free(port))
        assert process.poll() is None
        yield port
        process.terminate()


@contextmanager
def nginx(daemon: Daemon, place: Path, location: str, *, run_by: Sequence[str] = (), user: str = "") -> Iterator[int]:
    """Run nginx before the daemon's socket, and give its port."""
    assert NGINX is not None
    port, folder, socket = free_ports(1)[0], place / "nginx", daemon.home / "run" / "manager.sock"
    folder.mkdir(exist_ok=True)
    text = CONFIGURATION.format(
        user=user, place=folder, socket=socket, port=port, location=location.format(socket=socket)
    )
    (folder / "conf").write_text(text)
    give(folder)
    with running([*run_by, NGINX, "-p", str(folder), "-e", f"{folder}/errors", "-c", f"{folder}/conf"], port):
        yield port


@contextmanager
def forwarding(daemon: Daemon, kind: str) -> Iterator[int]:
    port = free_ports(1)[0]
    with running([sys.executable, forwarder.__file__, str(port), f"{daemon.home}/run/manager.sock", kind], port):
        yield port


def status_by(port: int, headers: dict[str, str], path: str = PATH) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("GET", path, headers={"Connection": "close", **headers})
        return connection.getresponse().status


def assert_needs_key(daemon: Daemon, port: int) -> None:
    """Ask by a proxy under every name, and check that only a key opens."""
    for host in ("localhost", f"127.0.0.1:{port}", "wa.example.com"):
        assert status_by(port, {"Host": host}) == 401, host
        assert status_by(port, {"Host": host, "X-API-Key": "owm_admin_wrong"}) == 401, host
    key = (daemon.home / "admin.key").read_text().strip()
    assert status_by(port, {"Host": "localhost", "X-API-Key": key}) == 200
    assert status_by(port, {"Host": "localhost"}, "/livez") == 200


#: Workers are the user that starts nginx, unless that is root: then only if they are told to be.
OWN_USER = "user root;" if os.geteuid() == 0 else ""


@needs_nginx
def test_what_nginx_hands_on_as_the_daemons_own_user_needs_a_key(serve: Callable[..., Daemon], tmp_path: Path) -> None:
    daemon = serve()

    for location in (AS_IT_IS, BY_UPSTREAM, *HIDING.values(), *TELLING.values()):
        with nginx(daemon, tmp_path, location, user=OWN_USER) as port:
            assert_needs_key(daemon, port)


@needs_nginx
def test_so_it_does_where_the_daemon_is_not_root_whether_or_not_nginx_is(place: Path) -> None:
    run_by = becoming_other()
    if not run_by:
        pytest.skip("the test before was that, or nobody else can run this Python")
    (place / "home").mkdir()
    give(place / "home")
    with Daemon(home=place / "home", run_by=run_by) as daemon:
        for location in (AS_IT_IS, *HIDING.values()):
            with nginx(daemon, place, location, run_by=run_by) as port:
                assert_needs_key(daemon, port)
        for location in (AS_IT_IS, BY_UPSTREAM, *TELLING.values()):  # root's processes show nobody what they hold
            with nginx(daemon, place, location, user="user root;") as port:
                assert_needs_key(daemon, port)


def test_so_does_what_a_small_forwarder_hands_on(serve: Callable[..., Daemon]) -> None:
    daemon = serve()

    for kind in ("headers", "bytes", "forked"):
        with forwarding(daemon, kind) as port:
            assert_needs_key(daemon, port)


def test_the_admin_on_the_host_needs_none(serve: Callable[..., Daemon]) -> None:
    daemon = serve()
    socket = f"{daemon.home}/run/manager.sock"
    by_curl = ["curl", "--silent", "--fail", "--unix-socket", socket, f"http://localhost{PATH}"]
    by_command = [sys.executable, "-m", "openwa_manager", "--home", str(daemon.home), "list", "--json"]

    for argv in (by_curl, by_command) if shutil.which("curl") else (by_command,):
        assert subprocess.run(argv, check=True, capture_output=True, timeout=60).stdout.strip()
