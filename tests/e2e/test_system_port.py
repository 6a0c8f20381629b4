"""A port that the system chose: it is told wherever the daemon tells where it listens."""

import os
import subprocess
import sys
from collections.abc import Callable
from http.client import HTTPConnection
from urllib.parse import urlsplit

from tests.e2e.peers.daemon import Daemon


def env_of_key(daemon: Daemon) -> str:
    """Return what `keys create --env` prints for this daemon."""
    argv = (
        sys.executable,
        "-m",
        "openwa_manager",
        "--home",
        str(daemon.home),
        "keys",
        "create",
        "a",
        "--role",
        "sender",
        "--env",
    )
    environ = {"PATH": os.environ["PATH"], "HOME": str(daemon.home.parent)}
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def test_a_port_that_the_system_chose_is_told_everywhere(serve: Callable[..., Daemon]) -> None:
    daemon = serve(settings={"LISTEN": "127.0.0.1:0"})

    url = daemon.ask("GET", "/v1/system").text("url")
    connection = HTTPConnection("127.0.0.1", urlsplit(url).port or 0, timeout=20)
    connection.request("GET", "/livez")
    answered = connection.getresponse().status
    connection.close()

    assert urlsplit(url).port not in (None, 0)
    assert answered == 200
    assert f"OPENWA_BASE_URL={url}\n" in env_of_key(daemon)
    assert f'"listen": "{urlsplit(url).netloc}"' in daemon.log
