"""nginx as a stand-in for tunnels that need an account: it opens what their configuration files say, as they do.

A tunnel's far end knows who asks; here the header `X-Asker` says it.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # its types are another package

from tests.e2e.peers.daemon import eventually
from tests.fakes.ports import free_ports, is_free

TUNNEL = Path(__file__).parents[2] / "examples" / "tunnel"
NAME = "wa.example.com"
#: As the pages have them for a daemon behind a tunnel on its host.
SETTINGS = {
    "PUBLIC_URL": f"https://{NAME}",
    "ALLOWED_HOSTS": json.dumps([NAME]),
    "TRUSTED_PROXIES": json.dumps(["127.0.0.1/32", "::1/128"]),
}
_NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/opt/homebrew/bin")
needs_nginx = pytest.mark.skipif(_NGINX is None, reason="needs nginx: on Debian, apt-get install nginx-light")
_CONFIGURATION = """
daemon off; worker_processes 1; pid {place}/pid; error_log {place}/errors;
events {{}}
http {{
  access_log off; proxy_buffering off; proxy_http_version 1.1;
  client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/fastcgi;
  uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
  server {{
    listen 127.0.0.1:{port};
    proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_set_header X-Asker "";
    proxy_set_header X-Forwarded-For {asker};
    {locations}
    location / {{ return 404; }}
  }}
}}
"""


def as_cloudflared(daemon_port: int) -> tuple[str, str]:
    """Return the locations that `cloudflared.yml` opens, and the header as Cloudflare leaves it."""
    rules = yaml.safe_load((TUNNEL / "cloudflared.yml").read_text("utf-8"))["ingress"]
    assert rules[-1] == {"service": "http_status:404"}
    opened = [
        f"location ~ {rule['path']} {{ proxy_pass {_moved(rule['service'], daemon_port)}; }}" for rule in rules[:-1]
    ]
    assert {rule["hostname"] for rule in rules[:-1]} == {NAME}
    return "\n".join(opened), '"$http_x_forwarded_for, $http_x_asker"'


def as_tailscale(daemon_port: int) -> tuple[str, str]:
    """Return the same of `tailscale.json`, whose places are taken off the path; Tailscale writes the header anew."""
    served = json.loads((TUNNEL / "tailscale.json").read_text("utf-8"))["Web"]
    opened = []
    for handlers in served.values():
        for place, handler in handlers["Handlers"].items():
            target = _moved(handler["Proxy"], daemon_port)
            opened.append(
                f"location {place}/ {{ proxy_pass {target}/; }} location = {place} {{ proxy_pass {target}; }}"
            )
    return "\n".join(opened), "$http_x_asker"


def _moved(url: str, port: int) -> str:
    assert "127.0.0.1:2790" in url
    return url.replace("127.0.0.1:2790", f"127.0.0.1:{port}")


def open_tunnel(folder: Path, opened: tuple[str, str]) -> int:
    """Start nginx in a folder of its own and return its port; whoever ends what works in that folder ends it."""
    if _NGINX is None:
        pytest.skip("needs nginx: on Debian, apt-get install nginx-light")
    locations, asker = opened
    port = free_ports(1)[0]
    text = _CONFIGURATION.format(place=folder, port=port, locations=locations, asker=asker)
    (folder / "conf").write_text(text, "utf-8")
    start(folder, _NGINX, "-p", str(folder), "-e", f"{folder}/errors", "-c", f"{folder}/conf")
    eventually(lambda: not is_free(port))
    return port


def start(folder: Path, *argv: str) -> None:
    """Start a program that works in this folder, and goes on when nobody holds it."""
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" > log 2>&1 &', "sh", *argv], cwd=folder, env=environ, check=True, timeout=30
    )
