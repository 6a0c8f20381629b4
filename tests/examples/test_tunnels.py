"""The configurations of examples/tunnel: what they open of a daemon, what they do not, and who seems to ask."""

import http.client
import json
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from openwa_manager.config import Settings
from tests.e2e.peers.daemon import Daemon, eventually
from tests.examples.tunnels import NAME, SETTINGS, TUNNEL, as_cloudflared, as_tailscale, needs_nginx, open_tunnel, start
from tests.fakes.ports import free_ports, is_free
from tests.pages.blocks import blocks_of
from tests.run.leftovers import end_all, find_leftovers

ASKER = "203.0.113.9"
CADDY = shutil.which("caddy")
#: What asks for no key, or is for the host's own network.
CLOSED = (
    "/",
    "/metrics",
    "/livez",
    "/readyz",
    "/openapi.json",
    "/docs",
    "/v1/../metrics",
    "/pair/..%2fmetrics",
    "/V1/keys",
)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(home=tmp_path_factory.mktemp("tunnel") / "home", settings=SETTINGS) as daemon:
        yield daemon


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    end_all(find_leftovers(tmp_path))


def ask(
    port: int, path: str, *, name: str = NAME, method: str = "GET", body: str = "", **headers: str
) -> tuple[int, bytes]:
    own = {"Host": name, "X-Asker": ASKER, "Content-Type": "application/json", "Connection": "close"}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(
            method, path, body or None, {**own, **{key.replace("_", "-"): each for key, each in headers.items()}}
        )
        answer = connection.getresponse()
        return answer.status, answer.read()


def assert_opens_what_it_should(daemon: Daemon, port: int) -> None:
    assert ask(port, "/v1/sessions")[0] == 401
    assert ask(port, "/v1/sessions", X_API_Key=daemon.key) == (200, b'{"sessions":[],"next_cursor":null}')
    assert ask(port, "/api/sessions", X_API_Key=daemon.key)[0] == 200
    status, page = ask(port, "/pair/none")
    assert (status, page.lstrip()[:15].lower()) == (404, b"<!doctype html>")
    for path in CLOSED:
        status, answer = ask(port, path, X_API_Key=daemon.key)
        assert status in (400, 404), path
        assert b"openwa_manager_" not in answer, path


#: Tunnels compare paths as they come, and hand them on so.
SPELLINGS = ("/v1/../metrics", "/v1/%2e%2e/metrics", "/pair/..%2fmetrics", "/v1//../docs", "/api/./../openapi.json")


@pytest.mark.parametrize("path", SPELLINGS)
def test_no_spelling_of_a_path_that_is_open_leads_to_one_that_is_not(daemon: Daemon, path: str) -> None:
    assert ask(daemon.port, path, X_API_Key=daemon.key)[0] == 404


def assert_the_daemon_knows_who_asks(daemon: Daemon, port: int) -> None:
    fields = {"name": "far", "role": "sender", "allowed_ips": [f"{ASKER}/32"]}
    key = str(daemon.ask("POST", "/v1/keys", fields).body["key"])
    elsewhere = {**fields, "name": "other", "allowed_ips": ["198.51.100.0/24"]}
    wrong = str(daemon.ask("POST", "/v1/keys", elsewhere).body["key"])

    assert ask(port, "/v1/sessions", X_API_Key=key)[0] == 200
    assert ask(port, "/v1/sessions", X_API_Key=wrong)[0] == 401
    assert ask(port, "/v1/sessions", X_API_Key=wrong, X_Forwarded_For="198.51.100.7")[0] == 401
    made = ask(port, "/v1/keys", method="POST", body='{"name": "x", "role": "viewer"}', X_API_Key=daemon.key)
    assert made[0] == 201
    assert newest_of_audit(daemon)["address"] == ASKER


def newest_of_audit(daemon: Daemon) -> dict[str, object]:
    row: dict[str, object] = json.loads(daemon.ask("GET", "/v1/audit?tail=1").raw)["entries"][-1]
    return row


@needs_nginx
@pytest.mark.parametrize("tunnel", [as_cloudflared, as_tailscale])
def test_a_tunnel_opens_the_api_and_pairing_pages_alone(
    daemon: Daemon, folder: Path, tunnel: Callable[[int], tuple[str, str]]
) -> None:
    port = open_tunnel(folder, tunnel(daemon.port))

    assert_opens_what_it_should(daemon, port)
    assert_the_daemon_knows_who_asks(daemon, port)
    assert ask(port, "/v1/sessions", name="other.example.com", X_API_Key=daemon.key)[0] == 421


@pytest.mark.skipif(CADDY is None, reason="needs Caddy: on Debian, apt-get install caddy")
def test_caddy_opens_the_api_and_pairing_pages_alone(daemon: Daemon, folder: Path) -> None:
    port, text = free_ports(1)[0], (TUNNEL / "Caddyfile").read_text("utf-8")
    here = text.replace(f"\n{NAME} {{", f"\nhttp://{NAME}:{port} {{").replace(
        "127.0.0.1:2790", f"127.0.0.1:{daemon.port}"
    )
    (folder / "Caddyfile").write_text(f"{{\n\tadmin off\n}}\n{here}", "utf-8")
    assert CADDY is not None
    start(folder, CADDY, "run", "--config", "Caddyfile")
    eventually(lambda: not is_free(port))

    assert_opens_what_it_should(daemon, port)
    assert ask(port, "/v1/keys", method="POST", body='{"name": "c", "role": "viewer"}', X_API_Key=daemon.key)[0] == 201
    assert newest_of_audit(daemon)["address"] == "127.0.0.1"  # who asks Caddy here


@pytest.mark.skipif(CADDY is None, reason="needs Caddy: on Debian, apt-get install caddy")
def test_caddy_takes_the_file_as_it_is() -> None:
    assert CADDY is not None
    argv = [CADDY, "adapt", "--config", str(TUNNEL / "Caddyfile"), "--validate"]
    said = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=50)

    assert said.returncode == 0, said.stderr
    assert "not formatted" not in said.stderr


@needs_nginx
def test_a_pairing_page_works_through_a_tunnel_and_hears_of_codes_at_once(folder: Path) -> None:
    home, codes = folder / "home", {"SIM_AUTO_SCAN_S": "3600", "SIM_QR_DELAY_S": "0.05"}
    with Daemon(home=home, settings={**SETTINGS, "PUBLIC_URL": f"https://{NAME}:8443"}, engine_env=codes) as daemon:
        daemon.create("a")
        url = daemon.ask("POST", "/v1/sessions/a/pairing-links", {}).text("url")
        path, name = url.removeprefix(f"https://{NAME}:8443"), f"{NAME}:8443"
        (folder / "tunnel").mkdir()
        port = open_tunnel(folder / "tunnel", as_tailscale(daemon.port))
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            connection.request("POST", path, headers={"Host": name, "Origin": f"https://{name}"})
            pressed = connection.getresponse()
            cookie = str(pressed.getheader("Set-Cookie")).partition(";")[0]
            assert (pressed.status, pressed.read()[:15].lower()) == (200, b"<!doctype html>")
            connection.request("GET", f"{path}/events", headers={"Host": name, "Cookie": cookie})
            stream = connection.getresponse()
            told = next(line for line in iter(stream.readline, b"") if line.startswith(b"data: "))
            assert json.loads(told.removeprefix(b"data: "))["state"]


def test_the_settings_of_the_pages_are_taken_together() -> None:
    for page in ("openwa_manager/docs/remote.md", "examples/tunnel/README.md"):
        for block in blocks_of(page):
            if block.language == "toml":
                assert Settings.model_validate(tomllib.loads(block.code)).has_proxy, block


def test_the_tunnels_lead_where_the_daemon_listens_by_default() -> None:
    for name in ("cloudflared.yml", "tailscale.json", "Caddyfile"):
        assert "127.0.0.1:2790" in (TUNNEL / name).read_text("utf-8")
    tailscale = json.loads((TUNNEL / "tailscale.json").read_text("utf-8"))
    ports = {f":{port}" for port in tailscale["TCP"]}
    assert {name[name.index(":") :] for name in tailscale["Web"]} == ports
    assert set(tailscale["AllowFunnel"]) == {
        name for name, web in tailscale["Web"].items() if "/pair" in web["Handlers"]
    }
