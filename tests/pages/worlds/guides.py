"""The way in: the README, and how to use the daemon."""

import base64
import shlex
import sys
from pathlib import Path

from tests.examples.tunnels import SETTINGS, as_cloudflared, open_tunnel, start
from tests.fakes.ports import free_ports
from tests.pages.blocks import ROOT
from tests.pages.world import NOTHING_RUNS, Place, World

#: The address of the example's receiver is in the settings file before the daemon starts.
_SECRET = "whsec_" + base64.b64encode(b"a secret of the pages' receiver.").decode()
_RECEIVER = ROOT / "examples" / "python" / "receiver_stdlib.py"

#: The demo ends by itself; in a checkout `make` would do just that.
MAKE = f"""\
#!/bin/bash
[[ $* = 'demo ARGS=--once' ]] || exit 2
exec {shlex.quote(sys.executable)} -m openwa_manager demo --once
"""
#: Asks for a public name as if the tunnel of the examples led here, and keeps which statuses were shown.
CURL = """\
#!/bin/bash
top=$(cd "$(dirname "$0")/.." && pwd)
PATH=${PATH#*:}
curl --connect-to "::127.0.0.1:$(cat "$top/tunnel/port")" "${@//https:/http:}" | tee -a "$top/statuses"
"""


def start_receiver(top: Path) -> None:
    """Have a backend that takes events, and the settings that name it."""
    port, home = free_ports(1)[0], top / "home" / ".openwa-manager"
    home.mkdir(mode=0o700)
    settings = home / "manager.toml"
    settings.touch(0o600)
    settings.write_text(
        f'upstream_url = "http://127.0.0.1:{port}/webhooks/openwa"\nupstream_secret = "{_SECRET}"\n', "utf-8"
    )
    (top / "receiver").mkdir()
    start(top / "receiver", "env", f"PORT={port}", f"WEBHOOK_SECRET={_SECRET}", sys.executable, str(_RECEIVER))


def ask_for_codes(place: Place) -> None:
    """Have a session that waits for its phone."""
    assert place.daemon is not None
    place.daemon.create("user_1_session_a")
    place.daemon.until("user_1_session_a", "qr_ready")


def lead_tunnel(place: Place) -> None:
    """Have a tunnel that opens what the example for cloudflared does."""
    assert place.daemon is not None
    (place.top / "tunnel").mkdir()
    port = open_tunnel(place.top / "tunnel", as_cloudflared(place.daemon.port))
    (place.top / "tunnel" / "port").write_text(str(port))


def judge_tunnel(place: Place) -> None:
    """See that the calls were answered as the pages say."""
    assert (place.top / "statuses").read_text().split() == ["401", "200", "404"]


WORLDS: dict[str, World] = {
    "README.md": World(
        engine_env={"SIM_AUTO_SCAN_S": "1", "SIM_QR_DELAY_S": "0.05"},
        shims={"make": MAKE},
        used_by={"php": "tests/pages/test_laravel_snippets.py"},
    ),
    "openwa_manager/docs/backend.md": World(
        prepare=start_receiver, used_by={"php": "tests/pages/test_laravel_snippets.py"}
    ),
    "openwa_manager/docs/faq.md": NOTHING_RUNS,
    "openwa_manager/docs/linking.md": World(
        engine_env={"SIM_AUTO_SCAN_S": "3600", "SIM_QR_DELAY_S": "0.05"},
        settings={"PUBLIC_URL": "https://wa.example.com"},
        begin=ask_for_codes,
    ),
    "openwa_manager/docs/remote.md": World(
        settings=SETTINGS, shims={"curl": CURL}, begin=lead_tunnel, judge=judge_tunnel
    ),
    "openwa_manager/docs/sending.md": World(sessions=["user_1_session_a"]),
    "examples/tunnel/README.md": World(settings=SETTINGS, shims={"curl": CURL}, begin=lead_tunnel, judge=judge_tunnel),
}
PENDING: dict[str, str] = {}
